"""The process that a TensorFlow Lite interpreter runs in: a damaged model can make it end the process it is in.

Requests and answers are pickles, on the standard input and output; see :func:`serve`.
"""

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable

from ..errors import FormatError
from .base import need


class Worker:
    """A process with the interpreter of one model; :meth:`ask` raises FormatError when it fails, or dies."""

    def __init__(self, path: str | os.PathLike):
        paths = os.pathsep.join(map(os.path.abspath, sys.path))  # the packages of this very process
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, os.fspath(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": paths},
        )

    def ask(self, *request):
        """The answer to a request of :func:`serve`."""
        try:
            pickle.dump(request, self._process.stdin, pickle.HIGHEST_PROTOCOL)
            self._process.stdin.flush()
            error, answer = pickle.load(self._process.stdout)  # made by our own code there, not by the model
        except (OSError, EOFError, pickle.UnpicklingError):
            why = "the model is damaged or too large"
            raise FormatError(f"the interpreter broke down ({self._end()}): {why}") from None
        if error:
            raise FormatError(error)
        return answer

    def _end(self) -> str:
        self.close()
        code = self._process.returncode
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            try:
                pipe.close()
            except OSError:  # what it did not take any more
                pass
        try:
            self._process.wait(1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class _Interpreter:
    """What the requests do."""

    def __init__(self, path: str):
        library = need("ai_edge_litert.interpreter", "profile", "running a .tflite model")
        self._make = lambda: library.Interpreter(
            path, experimental_preserve_all_tensors=True, num_threads=1,
            experimental_op_resolver_type=library.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )

    def reset(self) -> dict:
        """Make it anew; descriptions of its inputs, its outputs, and the numbers of all tensors it has."""
        self._run = self._make()
        self._run.allocate_tensors()
        return {"inputs": self._run.get_input_details(), "outputs": self._run.get_output_details(),
                "known": [detail["index"] for detail in self._run.get_tensor_details()]}

    def run(self, feeds: list, wanted: list[int]) -> list:
        """Run once on (number, array) of the inputs; the tensors of the numbers wanted."""
        for index, array in feeds:
            self._run.set_tensor(index, array)
        self._run.invoke()
        return [self._run.get_tensor(index) for index in wanted]


def serve(requests, answers, make: Callable[[], _Interpreter]) -> None:
    """Answer ``("reset",)`` and ``("run", feeds, wanted)`` with (message of an error or "", result), until the end."""
    interpreter = None
    while True:
        try:
            name, *arguments = pickle.load(requests)
        except EOFError:
            return
        try:
            interpreter = interpreter or make()
            answer = "", getattr(interpreter, name)(*arguments)
        except Exception as error:  # whatever the library says of a model it cannot run
            answer = " ".join(str(error).split())[:200] or type(error).__name__, None
        pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other process ends this one
    channel = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the library prints is no answer
    serve(sys.stdin.buffer, channel, lambda: _Interpreter(sys.argv[1]))
