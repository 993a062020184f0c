"""Settings from the environment: what is read, and what is said when it cannot be."""

import pytest

from rudderproj import env


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WEB_PORT", "http"),
        ("WEB_PORT", "0"),
        ("EGRESS_ALLOW", "10.0.0.0/33"),
        ("DATABASE_URL", "mysql://x"),
        ("CELERY_BROKER_URL", "amqp://x"),
        ("DEBUG", "perhaps"),
        ("LOG_LEVEL", "LOUD"),
        ("RETRY_WINDOW_SECONDS", "-1"),
        ("DATABASE_STATEMENT_SECONDS", ""),
        ("DATABASE_STATEMENT_SECONDS", "-1"),
        ("DATABASE_STATEMENT_SECONDS", "30s"),
        ("DATABASE_STATEMENT_SECONDS", "0.0004"),  # 0 milliseconds would be no limit
        ("DATABASE_STATEMENT_SECONDS", "2147484"),  # more than PostgreSQL takes
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_the_variables_name(name: str, value: str) -> None:
    with pytest.raises(env.EnvError, match=f"^{name}"):
        env.read({name: value})


def test_the_value_of_a_secret_is_not_repeated_in_the_error() -> None:
    with pytest.raises(env.EnvError) as caught:
        env.read({"DATABASE_URL": "mysql://user:hunter2@host/db"})

    assert "hunter2" not in str(caught.value)


def test_every_default_can_be_read() -> None:
    assert set(env.read({})) == {variable.name for variable in env.VARIABLES}


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("rediss://h/0", "rediss://h/0?ssl_cert_reqs=required"),
        ("rediss://h/0?ssl_ca_certs=/ca.pem", "rediss://h/0?ssl_ca_certs=/ca.pem&ssl_cert_reqs=required"),
        ("rediss://h/0?ssl_cert_reqs=none", "rediss://h/0?ssl_cert_reqs=none"),
        ("redis://h/0", "redis://h/0"),
    ],
)
def test_a_broker_with_tls_is_verified_unless_the_url_says_otherwise(given: str, used: str) -> None:
    assert env.read({"CELERY_BROKER_URL": given})["CELERY_BROKER_URL"] == used
