"""The numbers and keys below are made up: numbers of fiction and of payment networks' tests, keys drawn at random."""

from __future__ import annotations

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.chat import Message
from models.distill.clean.personal import KINDS, Kind, drop, mask
from models.distill.clean.rule import Dropped
from models.distill.conversation import Conversation

DRAWN = random.Random(7)


def drawn(length: int, letters: str = string.ascii_letters + string.digits) -> str:
    """A key that nobody has, with a letter of each case and a digit; drawn, so that no scanner takes it for real."""
    return "aB7" + "".join(DRAWN.choices(letters, k=length - 3))


BASE64 = "\n".join(drawn(64) for _ in range(5)) + "\nAb3=="
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{BASE64}\n-----END RSA PRIVATE KEY-----"

MASKED: tuple[tuple[Kind, str, str], ...] = (
    ("email", "Write to jane.doe+news@mail.company.co.uk, please.", "Write to [email], please."),
    ("email", "邮箱是zhang_san@163.com。", "邮箱是[email]。"),
    ("email", "<mailto:info@firma.de>", "<mailto:[email]>"),
    ("email", "JANE@FIRMA.DE and\njoe@firma.de.", "[email] and\n[email]."),
    ("telephone", "Call +49 30 1234567 or +1 (555) 223-4567.", "Call [telephone] or [telephone]."),
    ("telephone", "Tel.: +49 (0)30 1234-567", "Tel.: [telephone]"),
    ("telephone", "我的手机是13800138000，请打给我", "我的手机是[telephone]，请打给我"),
    ("telephone", "+86 138 0013 8000", "[telephone]"),
    ("telephone", "联系 138-0013-8000 或 010-12345678", "联系 [telephone] 或 [telephone]"),
    ("telephone", "(555) 223-4567, 555-223-4567, 555.223.4567", "[telephone], [telephone], [telephone]"),
    ("telephone", "1-800-555-0199 is free", "[telephone] is free"),
    ("telephone", "030 1234567, 0171/1234567, 020 7946 0958", "[telephone], [telephone], [telephone]"),
    ("telephone", "Appelez le 01 23 45 67 89 !", "Appelez le [telephone] !"),
    ("telephone", "0049 30 1234567", "[telephone]"),
    (
        "telephone",
        "John,415-555-2671,NY\n1,+14155552671\nAnna,(415) 555-2671,",
        "John,[telephone],NY\n1,[telephone]\nAnna,[telephone],",
    ),
    ("telephone", "张三,13800138000,北京", "张三,[telephone],北京"),
    ("telephone", "415-555-2671,415-555-2672", "[telephone],[telephone]"),
    ("telephone", "phone=13800138000&tel=+8613800138000", "phone=[telephone]&tel=[telephone]"),
    ("telephone", "my phone number is 5552234567", "my phone number is [telephone]"),
    ("telephone", "电话：62345678", "电话：[telephone]"),
    ("telephone", '```json\n{"phone": "+1 555-223-4567"}\n```', '```json\n{"phone": "[telephone]"}\n```'),
    ("card", "Card 4111 1111 1111 1111, thanks", "Card [card], thanks"),
    ("card", "4111111111111111", "[card]"),
    ("card", "5555-5555-5555-4444 and 3782 822463 10005", "[card] and [card]"),
    ("iban", "IBAN DE89 3704 0044 0532 0130 00 at the bank", "IBAN [iban] at the bank"),
    ("iban", "GB82WEST12345698765432", "[iban]"),
    ("iban", "FR14 2004 1010 0505 0001 3M02 606", "[iban]"),
    ("ip", "from 8.8.8.8 and 2001:4860:4860::8888", "from [ip] and [ip]"),
    ("key", PEM, "[key]"),
    ("key", f"key = '{PEM}'\nnext", "key = '[key]'\nnext"),
    ("key", PEM.replace("\n", "\\n"), "[key]"),
    ("key", PEM.split("-----END")[0] + "\nNext", "[key]\n\nNext"),
    ("key", "-----BEGIN OPENSSH PRIVATE KEY-----\n" + BASE64, "[key]"),
)
TOKENS = (
    "sk-" + drawn(48), "sk-proj-" + drawn(80), "sk-ant-api03-" + drawn(80), "ghp_" + drawn(36), "gho_" + drawn(36),
    "github_pat_" + drawn(70), "glpat-" + drawn(20), "hf_" + drawn(34), "AKIA" + drawn(16, "ABC234").upper(),
    "AIza" + drawn(35), "xoxb-" + drawn(40), "sk_live_" + drawn(24), "npm_" + drawn(36), "pypi-" + drawn(100),
    f"SG.{drawn(22)}.{drawn(43)}", "123456789:AA" + drawn(33), f"eyJ{drawn(20)}.eyJ{drawn(60)}.{drawn(43)}",
)  # fmt: skip

NOTHING_SUCH = (
    "On 2023-10-15 at 12:30:45, or 15.10.2023, or 10/15/2023, or 20231015123045, or 2023-10-15 2023-10-16",
    "Version v1.2.3.4, v10.15.7, 3.11.4-1, and 2.0.0-beta.1; port 8080",
    "ISBN 978-3-16-148410-0, ISBN-10: 0-306-40615-2, 9783161484100, ISBN 03064 06152",
    "192.168.1.1, 10.0.0.1, 127.0.0.1, 255.255.255.0",
    "1,234,567,890 people and 1 234 567 890 stars and 12345678901234567890",
    "pi = 3.14159265358979, x = +1.2345678901, -0.1234567890, 6.02214076e23",
    "timestamps 1697371845 and 1697371845123",
    "uuid 550e8400-e29b-41d4-a716-446655440000, sha 356a192b7913b04c54574d18c28d46e6395428ab",
    "https://x.com/someone/status/1713571234567890123?t=13800138000&s=01-234-56789",
    "arXiv:2306.05685, doi:10.1234/0555.223.4567, RFC 2822, DIN 5008",
    "git@github.com:lmsys/FastChat.git and @decorator and react@18.2.0 and icon@2x.png",
    "user@example.com, admin@mail.example.org, root@localhost, me@host.local",
    "class sk-estimator-html-repr-content-toggleable of sk-learn; sk-your-api-key-goes-here; sk-" + "x" * 40,
    "AKIAIOSFODNN7EXAMPLE and ghp_xxx and hf_token and hf_hub_download_from_the_hugging_face",
    "-----BEGIN PRIVATE KEY----- comes first, and then its lines, and in the end -----END PRIVATE KEY-----",
    "-----BEGIN PUBLIC KEY-----\n" + BASE64 + "\n-----END PUBLIC KEY-----",
    "1234 5678 9012 3456 is no card, 4111 1111 1111 1112 neither, nor 4111-1111 1111 1111",
    "DE00 3704 0044 0532 0130 00 fails its check; ABCD EFGH; AB12 CDEF",
    "```diff\n+13800138000\n+4930123456789\n```\n",
    "```python\nx = 13800138000 + 555-223-4567\n```\n",
    "postgres://user:password@localhost/db and https://${USER}:${TOKEN}@host and http://a.b:8080/@c",
    "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16, 0 1 1 0 1 0 0 1 0 1 1 0",
    "12:30:45, a::b, std::vector, ::, fe80::1",
    "3,14159265358979 and 12,345.67 and 1,000,000-2,000,000 and 10,200,300 and f(1,2,3) and id=13800138000",
    "The years 1987-1994 and pages 1234-1250, rooms 101-105-1190",
)


def talk(text: str) -> Conversation:
    return Conversation("c", (Message("user", "Hello"), Message("assistant", text)))


def masked(text: str) -> str:
    verdict = mask(KINDS)(talk(text))
    assert isinstance(verdict, Conversation)
    return verdict.messages[1].text


@pytest.mark.parametrize(("kind", "text", "expected"), MASKED)
def test_personal_data_is_masked_and_what_is_beside_it_stays(kind: Kind, text: str, expected: str) -> None:
    assert masked(text) == expected
    assert drop([kind])(talk(text)) == Dropped("personal data", f"message 2: {kind}")
    others = [other for other in KINDS if other != kind]
    assert mask(())(talk(text)) == talk(text)
    assert f"[{kind}]" not in str(mask(others)(talk(text)))


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize(
    "around", ["{}", "My key is {}.", '```sh\nexport KEY="{}"\n```', "密钥是{}，请保密", "KEY={}\n"]
)
def test_a_key_is_masked_wherever_it_stands(token: str, around: str) -> None:
    assert masked(around.format(token)) == around.format("[key]")


@pytest.mark.parametrize("text", NOTHING_SUCH)
def test_what_only_looks_like_personal_data_stays(text: str) -> None:
    assert masked(text) == text
    assert drop(KINDS)(talk(text)) == talk(text)


def test_of_an_address_with_a_password_only_the_password_is_masked() -> None:
    assert masked("postgres://app:hunter22@db.company.com:5432/x") == "postgres://app:[key]@db.company.com:5432/x"
    assert masked(f"aws_secret_access_key = {drawn(40)}\n") == "aws_secret_access_key = [key]\n"


def test_addresses_of_machines_are_masked_only_when_asked_for() -> None:
    assert mask()(talk("8.8.8.8")) == talk("8.8.8.8")
    assert masked("8.8.8.8") == "[ip]"


def test_a_conversation_without_personal_data_is_the_same_object() -> None:
    given = talk("Nothing to see.")
    assert mask()(given) is given
    assert drop()(given) is given


def test_what_was_found_is_told_by_its_kinds_alone() -> None:
    verdict = drop()(talk("jane@firma.de, +49 30 1234567, joe@firma.de"))
    assert verdict == Dropped("personal data", "message 2: email, telephone")


@given(st.lists(st.sampled_from([*(text for _, text, _ in MASKED), *NOTHING_SUCH, " ", "\n", "```\n", "7", "+"])))
def test_masking_twice_is_masking_once(parts: list[str]) -> None:
    once = masked(" ".join(parts))
    assert masked(once) == once


@pytest.mark.parametrize(
    "part",
    ["a", "1", "a.", "1 ", "1-", "+1", "0049 ", "a@", "@a.", "-", "://a:", "sk-a", "eyJ", "DE89 ", "AA11", "::", "1:",
     "-----BEGIN PRIVATE KEY-----\n", "-----BEGIN PRIVATE KEY-----\n" + "a" * 30, "4111 ", "phone ", "电话", "01 23 "],
)  # fmt: skip
def test_a_long_text_of_any_kind_is_searched_at_once(part: str) -> None:
    """Time that grows with the square of 300 KB would be minutes."""
    masked(part * (300_000 // len(part)))
