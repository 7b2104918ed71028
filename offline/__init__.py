"""Offline: from recorded explanations of a large model to a released artifact of a small one."""
