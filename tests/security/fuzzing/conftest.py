import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz-seed", type=int, help="the number from which all requests of a campaign follow")
    parser.addoption("--fuzz-examples", type=int, help="how many requests are made up for each operation and actor")
    parser.addoption("--fuzz-quick", action="store_true", help="leaves out the edges of the schemas")
