//! Reading the configuration anew, in the real daemon.
