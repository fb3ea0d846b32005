//! Which secrets a policy has, and which nodes a user can log in on.
