"""The `aws` command line, run inside this process: one process for each call would take most of a second.

Nothing of it is replaced: `awscli.clidriver` parses the arguments, makes the call and prints the JSON, as it does for
the program `aws`, which is a few lines around it.
"""

import contextlib
import io
import json
import os
import re

import botocore
from awscli.clidriver import create_clidriver

os.environ |= {
    "HOME": os.devnull,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_ENDPOINT_URL": os.environ["SANDBOX_URL"],
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_MAX_ATTEMPTS": "1",
}

# The command line has service models of its own, which may be older than boto3's, and looks at more where it is told to.
os.environ["AWS_DATA_PATH"] += os.pathsep + os.path.join(os.path.dirname(botocore.__file__), "data")

# The operations that succeeded, as `/_sandbox/operations` names them.
succeeded = set()

_LOADER = create_clidriver().session.get_component("data_loader")

_ERROR = re.compile(r"An error occurred \((\w+)\) when calling the (\w+) operation(?: \([^)]*\))?: (.*)", re.DOTALL)


class Refused(Exception):
    """A command that ended with an error of the service."""

    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def aws(*arguments):
    """Runs `aws` with arguments, and gives the JSON that it prints; nothing if it prints nothing."""
    driver = create_clidriver()
    # A driver is good for one command; what it reads from disk is the same for all.
    driver.session.register_component("data_loader", _LOADER)
    driver.session.register("after-call", _note)
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        code = driver.main([str(argument) for argument in arguments])
    if code == 0:
        return json.loads(output.getvalue()) if output.getvalue() else None
    found = _ERROR.search(errors.getvalue())
    if not found:
        raise AssertionError(f"aws {' '.join(map(str, arguments))}: exit code {code}: {errors.getvalue()}")
    raise Refused(found[1], found[3].strip())


def refused(*arguments):
    """Runs `aws` on something that is refused, and gives the error."""
    try:
        aws(*arguments)
    except Refused as error:
        return error
    raise AssertionError(f"aws {' '.join(map(str, arguments))} was not refused")


def _note(http_response, model, **_):
    if http_response.status_code < 300:
        succeeded.add(f"{model.service_model.service_name}.{model.name}")
