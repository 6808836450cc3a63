"""The command line with the toy environment registered: for tests that need a process of its own."""

from benchmark import registry
from benchmark.cli.main import main
from tests.toy import Toy

if __name__ == "__main__":
    registry.envs().add(Toy)
    raise SystemExit(main())
