"""What a checkpoint costs on its way to the driver's node, to a folder, and to an object store."""
