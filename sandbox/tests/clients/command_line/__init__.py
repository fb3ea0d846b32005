"""The `aws` command line inside this process: its own driver, without a process for each command."""

import contextlib
import io
import json
import os
import re

from awscli.clidriver import create_clidriver

from sandbox import URL

ENVIRONMENT = {
    "AWS_ENDPOINT_URL": URL,
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_DEFAULT_OUTPUT": "json",
    "AWS_MAX_ATTEMPTS": "1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}

# The operations that were called and succeeded, named as the sandbox names them.
CALLED = set()


class Refused(Exception):
    """The command failed."""

    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def aws(*arguments):
    """Runs `aws` with these arguments, and gives the JSON that it prints; nothing if it prints nothing."""
    os.environ.update(ENVIRONMENT)
    driver = create_clidriver()
    driver.session.register("after-call", _called)
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        code = driver.main(list(arguments))
    if code != 0:
        said = errors.getvalue()
        found = re.search(r"\((\w+)\) when calling the \w+ operation(?: \([^)]*\))?: (.*)", said)
        raise Refused(*(found.groups() if found else (f"exit code {code}", said)))
    return json.loads(output.getvalue()) if output.getvalue() else None


def _called(http_response, model, **_):
    if http_response.status_code < 300:
        CALLED.add(f"{model.service_model.service_name}.{model.name}")
