import pytest

from study.cluster.credentials import decrypt, encrypt

SETTINGS = {"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": "p: w%\n"}


def test_what_is_sealed_is_opened_with_the_same_token_and_reads_as_nothing():
    text = encrypt(SETTINGS, "token")
    assert "ada" not in text
    assert decrypt(text, "token") == SETTINGS
    assert encrypt(SETTINGS, "token") != text  # no two look alike


@pytest.mark.parametrize("token", ["", "tokem"])
def test_another_token_opens_nothing(token):
    with pytest.raises(ValueError, match="not sealed with this token"):
        decrypt(encrypt(SETTINGS, "token"), token)


@pytest.mark.parametrize("text", ["", "zz:abc", "00:", "no salt"])
def test_what_was_never_sealed_is_refused(text):
    with pytest.raises(ValueError, match="not sealed with this token"):
        decrypt(text, "token")


def test_a_changed_text_is_noticed():
    text = encrypt(SETTINGS, "token")
    with pytest.raises(ValueError, match="not sealed with this token"):
        decrypt(text[:-8] + ("A" if text[-8] != "A" else "B") + text[-7:], "token")
