import pytest

from study.cluster.credentials import seal, unseal

SETTINGS = {"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": "p: w%\n"}


def test_what_is_sealed_is_opened_with_the_same_token_and_reads_as_nothing():
    text = seal(SETTINGS, "token")
    assert "ada" not in text
    assert unseal(text, "token") == SETTINGS
    assert seal(SETTINGS, "token") != text  # no two look alike


@pytest.mark.parametrize("token", ["", "tokem"])
def test_another_token_opens_nothing(token):
    with pytest.raises(ValueError, match="not sealed with this token"):
        unseal(seal(SETTINGS, "token"), token)


@pytest.mark.parametrize("text", ["", "zz:abc", "00:", "no salt"])
def test_what_was_never_sealed_is_refused(text):
    with pytest.raises(ValueError, match="not sealed with this token"):
        unseal(text, "token")


def test_a_changed_text_is_noticed():
    text = seal(SETTINGS, "token")
    with pytest.raises(ValueError, match="not sealed with this token"):
        unseal(text[:-8] + ("A" if text[-8] != "A" else "B") + text[-7:], "token")
