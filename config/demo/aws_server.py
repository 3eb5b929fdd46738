"""moto's real server as a process of its own: the demo's and the tests' AWS account.

Run as a script. Owns that the server listens on loopback only, says its port, and ends when its
parent does: it reads standard input, which the parent never writes to and closes by ending.
"""

import json
import sys


def main() -> None:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", int(sys.argv[1]), verbose=False)
    server.start()
    print(json.dumps({"port": server.get_host_and_port()[1]}), flush=True)
    sys.stdin.buffer.read()


if __name__ == "__main__":
    main()
