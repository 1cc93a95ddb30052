import pytest

from study.cluster.credentials import decrypt, encrypt

SETTINGS = {"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": "p: w%\n"}


def test_encrypted_settings_are_decrypted_with_the_same_token_and_unreadable_without():
    text = encrypt(SETTINGS, "token")
    assert "ada" not in text
    assert decrypt(text, "token") == SETTINGS
    assert encrypt(SETTINGS, "token") != text  # no two look alike


@pytest.mark.parametrize("token", ["", "tokem"])
def test_another_token_opens_nothing(token):
    with pytest.raises(ValueError, match="not encrypted with this token"):
        decrypt(encrypt(SETTINGS, "token"), token)


@pytest.mark.parametrize("text", ["", "zz:abc", "00:", "no salt"])
def test_a_text_that_was_never_encrypted_is_refused(text):
    with pytest.raises(ValueError, match="not encrypted with this token"):
        decrypt(text, "token")


def test_a_changed_text_is_noticed():
    text = encrypt(SETTINGS, "token")
    with pytest.raises(ValueError, match="not encrypted with this token"):
        decrypt(text[:-8] + ("A" if text[-8] != "A" else "B") + text[-7:], "token")
