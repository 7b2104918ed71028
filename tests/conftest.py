"""What holds for all tests."""

import signal

# A shell without job control starts what is behind `&` with Ctrl-C ignored, and so would every process of the tests be.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
