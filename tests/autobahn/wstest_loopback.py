# Python 2.7. The `wstest` command, except that
#  * it listens on 127.0.0.1 only (the stock command listens on every address);
#  * WSTEST_DEFLATE_COUNT=N makes each 12.* and 13.* case send N messages instead of 1000.
import os
import sys

import autobahntestsuite  # installs the reactor, so it comes before twisted.internet.reactor
from autobahntestsuite.fuzzing import Cases
from autobahntestsuite.wstest import run
from twisted.internet import reactor

stock_listen = reactor.listenTCP


def listen_tcp(port, factory, backlog=50, interface=''):
    return stock_listen(port, factory, backlog, interface or '127.0.0.1')


reactor.listenTCP = listen_tcp

count = os.environ.get('WSTEST_DEFLATE_COUNT')
if count:
    for case in Cases:
        if hasattr(case, 'AUTOFRAGSIZE'):  # only the classes of 12.* and 13.* have it
            case.COUNT = int(count)
sys.exit(run())
