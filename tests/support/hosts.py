"""Machines that end-to-end tests start, cut off and kill: namespaces of this machine's kernel.

Each has its own network, address, host name, processes, shared memory and disk. What is installed on
this machine is installed on all. No privilege is needed where users may make namespaces, and nobody
outside sees them: the addresses clash with nothing. They end with the process that made them, however
that ends; their disks, which only the tests see, outlive them.
"""

import signal
import subprocess
import sys
from contextlib import contextmanager, suppress

import psutil

from tests.support.processes import PATIENCE_S, ROOT, clean_environment
from tests.support.servers import missing

NETWORK = "10.77.0"
# It reads from a pipe that the tests hold: when they are gone it ends, and with it all the machine.
_LIFE = ("sh", "-c", "echo ready; exec cat")
_MACHINE = """
hostname "$0" && ip link set lo up && mount -t tmpfs none /dev/shm &&
mount --bind /dev/null /etc/resolv.conf &&
mount --bind "$1" "$2" && mount -t tmpfs none "$3" && echo ready; exec cat
"""
_ANSWERS = """
import sys, time, urllib.request
address, token, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
headers = {"Authorization": f"Bearer {token}"} if token else {}
until = time.monotonic() + seconds
while True:
    try:
        urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=10)
        break
    except OSError as error:
        if time.monotonic() > until:
            sys.exit(f"{address} does not answer: {error}")
    time.sleep(0.2)
"""


class Machine:
    """One machine. It has the switch's cable, and is dead once it was killed.

    Its disk, a folder among those of all machines, is at `place` for its own processes.
    """

    def __init__(self, switch, name, number, disks, place):
        self.name = name
        self.address = f"{NETWORK}.{number}"
        self._switch = switch
        self._started = []
        disk = disks / name
        disk.mkdir(exist_ok=True)
        unshare = ("unshare", "--net", "--uts", "--mount", "--pid", "--fork", "--kill-child")
        own = ("--mount-proc", "sh", "-c", _MACHINE, name, str(disk), str(place), str(disks))
        self._outer = _started([*switch.entry, *unshare, *own])
        (self._init,) = psutil.Process(self._outer.pid).children()
        entry = ["nsenter", f"--target={self._init.pid}", "--user", "--preserve-credentials"]
        self._entry = [*entry, "--net", "--uts", "--mount", "--pid"]
        switch.run("ip", "link", "add", "name", name, "type", "veth", *self._peer())
        switch.run("ip", "link", "set", name, "master", "switch", "up")
        self.run("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")
        # Nobody is there, but with a way out a program can tell which address is the machine's.
        self.run("ip", "route", "add", "default", "via", f"{NETWORK}.254")

    def _peer(self):
        return "peer", "name", "eth0", "netns", self._init.pid

    def command(self, *arguments, cwd=ROOT):
        """The command line that does on this machine what the arguments say."""
        return [*self._entry, "env", f"--chdir={cwd}", *map(str, arguments)]

    def run(self, *arguments, cwd=ROOT, check=True, **environment):
        """Runs a command on this machine to its end."""
        return subprocess.run(
            self.command(*arguments, cwd=cwd),
            capture_output=True,
            text=True,
            env=clean_environment(**environment),
            timeout=PATIENCE_S,
            check=check,
        )

    def start(self, *arguments, log, **environment):
        """Starts a command that ends with the machine; its output goes to the log."""
        with log.open("a") as output:
            process = subprocess.Popen(
                self.command(*arguments, cwd=ROOT),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=clean_environment(**environment),
                start_new_session=True,
            )
        self._started.append(process)

    def wait_for(self, address, token=""):
        """Waits until an address answers this machine."""
        done = self.run(sys.executable, "-c", _ANSWERS, address, token, PATIENCE_S, check=False)
        assert done.returncode == 0, done.stderr

    def cut_off(self):
        """Pulls the cable: nothing of what is sent arrives, and nobody is told."""
        self._switch.run("ip", "link", "set", self.name, "down")

    def connect(self):
        """Plugs the cable in again."""
        self._switch.run("ip", "link", "set", self.name, "up")

    def kill(self):
        """SIGKILL for every process of the machine, at once."""
        with suppress(psutil.NoSuchProcess):
            self._init.send_signal(signal.SIGKILL)
        self._outer.communicate()
        for process in self._started:
            process.wait()
        with suppress(subprocess.CalledProcessError):
            # The kernel takes it away some time after the machine; the next of its name needs it now.
            self._switch.run("ip", "link", "delete", self.name)


class Switch:
    """What the machines are plugged into, in a network of its own, and their disks.

    A machine sees only its own disk, at `place`.
    """

    def __init__(self, folder):
        self.disks, self.place = folder / "disks", folder / "disk"
        self.disks.mkdir()
        self.place.mkdir()
        self._life = _started(["unshare", "--map-root-user", "--net", *_LIFE])
        entry = ["nsenter", f"--target={self._life.pid}", "--user", "--preserve-credentials"]
        self.entry = [*entry, "--net"]
        self._machines = []
        self.run("ip", "link", "add", "name", "switch", "type", "bridge")
        self.run("ip", "link", "set", "switch", "up")

    def run(self, *arguments):
        command = [*self.entry, *map(str, arguments)]
        subprocess.run(command, check=True, capture_output=True, text=True)

    def machine(self, name, number):
        """A machine that runs nothing yet, with the disk of the last one of its name.

        Its address ends in the number.
        """
        self._machines.append(Machine(self, name, number, self.disks, self.place))
        return self._machines[-1]

    def end(self):
        for machine in self._machines:
            machine.kill()
        self._life.communicate()


@contextmanager
def switch(folder):
    """A switch without machines, whose disks will be in a folder.

    Skips, or fails in CI, where namespaces cannot be made. There is no plain fallback: processes on
    loopback share their host name and disk and cannot be cut off, so they would show little of what
    these tests are about.
    """
    made = None
    try:
        try:
            made = Switch(folder)
            made.machine("probe", 99).kill()
        except (OSError, AssertionError, subprocess.CalledProcessError) as error:
            missing(f"a network of namespaces ({error})", "iproute2 util-linux")
        yield made
    finally:
        if made is not None:
            made.end()


def _started(command):
    """A process that says that it is ready, and then lives as long as its standard input."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Ctrl-C in the terminal is not meant for machines.
        start_new_session=True,
    )
    if process.stdout.readline() != "ready\n":
        process.kill()
        raise AssertionError(process.communicate()[1].strip())
    return process
