//! What stands below the options of each command's `--help`, and in its manual page: sections with a heading each,
//! first what it is about where that needs words, then examples, then exit codes. The numbers are those of
//! [`super::exit::Exit`].

pub(super) const MAIN: &str = "\
Examples:
  rekeyd check                               what the configuration means
  rekeyd run                                 the daemon
  rekeyd status                              where every secret stands
  rekeyd rotate production/ec/user1 --wait   a new password now, and its proof
  rekeyd rotate --all --revoke-previous      after a leak
  rekeyd help rotate                         more about a command

Where replicas share a table (state = \"dynamodb:TABLE\") and no socket of one is here,
status, history, rotate, pause, resume, rollback and reload go through the table, with
your AWS credentials (`rekeyd iam-policy --for commands`), to whichever replica lives.

Exit codes:
   0  done
   1  it failed
   2  the command line makes no sense
   3  done in part
  10  there is work (plan --exit-code)
  11  another process holds the store
  12  the daemon cannot be reached
  13  refused, nothing was done
  78  the configuration or the environment is wrong
  Any other code is a failure, too.

Environment:
  REKEYD__POLICY__ORDERS__OVERLAP='\"2h\"'
                      a key of the configuration, and its value as TOML
  REKEYD_LOG_FORMAT   auto, text or json, as --log-format
  RUST_LOG            what is logged, as --log-level
  NO_COLOR            no colour, if it is not empty";

pub(super) const RUN: &str = "\
Examples:
  rekeyd run
  rekeyd run --once          from a timer: rotates what is due, then ends

Exit codes:
   0  it was told to end; with --once, all that was due is done
   1  it failed; with --once, nothing of what was due is done
   3  with --once: done in part
  11  another process holds the store
  78  the configuration or the environment is wrong: starting it again is of no use";

pub(super) const CHECK: &str = "\
It asks AWS nothing. Everything that is wrong is told at once, with file, line and column.

Examples:
  rekeyd check
  rekeyd check --config ./rekeyd.toml --json   for CI: valid, problems[], warnings[]
  rekeyd check --effective                     each value, and what set it

Exit codes:
   0  nothing is wrong
  78  something is wrong with the configuration or the environment";

pub(super) const IAM_POLICY: &str = "\
One document is printed as it is, ready for IAM. There are more where the configuration
has several places or roles (of a role its permissions, its trust policy, and what lets
rekeyd assume it), or where IAM's 6,144 characters do not hold one: then standard error
says which is which, and --document takes one out.

An account that neither the configuration nor --account tells is * in JSON, and the
account that Terraform or the stack works in with the other two. The key
aws/secretsmanager needs no rights; customer keys do: --kms-key.

--for plan, onboard or takeover prints what an operator needs for that command; --for
commands what others need to reach replicas through the table that they share, and --for
init-table what makes that table. Where no daemon runs, onboard and takeover --rotate make
the first rotation themselves: then whoever runs them needs the daemon's policy as well.

Examples:
  rekeyd iam-policy --account 123456789012 > rekeyd.json
  # and then: aws iam create-policy --policy-name rekeyd \\
  #   --policy-document file://rekeyd.json
  rekeyd iam-policy \\
    --kms-key arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab
  rekeyd iam-policy --place orders_eu --json \\
    --principal arn:aws:iam::123456789012:role/rekeyd-host
  rekeyd iam-policy --document rekeyd-orders_eu-trust \\
    --principal arn:aws:iam::123456789012:role/rekeyd-host
  rekeyd iam-policy --for onboard --account 123456789012 > operator.json
  rekeyd iam-policy --terraform > rekeyd.tf
  rekeyd iam-policy --cloudformation > rekeyd.yaml

Exit codes:
   0  printed
   2  an option does not go with the configuration
  78  the configuration or the environment is wrong";

pub(super) const PLAN: &str = "\
Reads Secrets Manager and ElastiCache, and logs in with current passwords on the nodes,
as the daemon would before a rotation. Needs no daemon and disturbs none. What the daemon
remembers (requests, pauses, halts) is read from its store, if that is there and may be
read.

Examples:
  rekeyd plan
  rekeyd plan production/ec/user1
  rekeyd plan --policy orders --json   for CI: secrets[], each with its checks[]
  rekeyd plan --exit-code              for CI: whether there is work, or something to mend

Exit codes:
   0  all were looked at; with --exit-code, nothing is due either
   1  none could be looked at
   3  some could not be looked at
  10  with --exit-code: there is work: a rotation is due or under way, or a retirement
  13  no such secret or policy; with --exit-code: a rotation of some would be refused
  78  the configuration or the environment is wrong";

pub(super) const ONBOARD: &str = "\
Runs with your AWS credentials, not the daemon's (`rekeyd iam-policy --for onboard`). The
policy must select the secret and allow the user; if it does not, the lines to add are
printed and nothing is changed. A new user is created switched off, and switched on when
it has a password. The first rotation is the daemon's if it runs, else made here. Run it
again after a failure: it goes on from there, and does nothing where all is done.

Examples:
  # from nothing
  rekeyd onboard --policy orders --user-id user1 --secret production/ec/user1 \\
    --access-string 'on ~app:* +@read' --group orders-group --tag team=orders
  # what would be done
  rekeyd onboard --policy orders --user-id user1 --secret production/ec/user1 \\
    --access-string 'on ~app:* +@read' --dry-run
  # a user in use, whose password you know
  rekeyd onboard --policy orders --user-id user1 --secret production/ec/user1 \\
    --password-file - < password
  # many; the first line of the file names the columns: user_id,user_name,secret,policy,
  # engine,access_string,groups,tags,kms_key_id,password_file
  rekeyd onboard --csv users.csv --keep-going
  # all secrets with a tag, and all users with it, each with a secret of this name
  rekeyd onboard --policy orders --by-tag team=orders --secret 'production/ec/{user_id}'

Exit codes:
   0  done, or done already
   1  it failed: run it again
   3  done in part
  11  another process holds the store and does not answer
  13  refused, nothing was changed
  78  the configuration or the environment is wrong";

pub(super) const TAKEOVER: &str = "\
Runs with your AWS credentials (`rekeyd iam-policy --for takeover`). Prints the policy
that the secret's rotation rules come to, cancels its rotation in Secrets Manager, and
settles what the function left under AWSPENDING: a password that logs in on every node
becomes the current one, as the function would have made it; one that does not is given
up, if the current one logs in on every node. Otherwise nothing is changed. Prints how to
go back.

Examples:
  rekeyd takeover production/ec/user1 --dry-run
  rekeyd takeover production/ec/user1
  rekeyd takeover production/ec/user1 --rotate --timeout 1h

Exit codes:
   0  done, or done already
   1  it failed: run it again
   3  done in part: run it again
  11  another process holds the store
  13  refused, nothing was changed
  78  the configuration or the environment is wrong";

pub(super) const STATUS: &str = "\
Without a daemon it shows what the store remembers, and says so.

Examples:
  rekeyd status                       is all well?
  rekeyd status --attention           what needs a person
  rekeyd status production/ec/user1   everything about one secret
  rekeyd status --json | jq '.secrets[] | select(.phase == \"halted\") | .secret'

Exit codes:
   0  shown
  12  the daemon cannot be reached, whether its store could be shown or not
  13  there is no such secret or policy, or the socket refuses you
  78  the configuration is wrong";

pub(super) const HISTORY: &str = "\
Without a daemon it shows what the store remembers, and says so.

Examples:
  rekeyd history production/ec/user1
  rekeyd history --limit 5
  rekeyd history --events   each event that was stored, in a line
  rekeyd history --json | jq '.rotations[] | select(.result == \"promoted\") | .seconds'

Exit codes:
   0  shown
  12  the daemon cannot be reached, whether its store could be shown or not
  13  there is no such secret, or the socket refuses you
  78  the configuration is wrong";

pub(super) const ROTATE: &str = "\
Examples:
  rekeyd rotate production/ec/user1 --wait
  rekeyd rotate --policy orders --revoke-previous
  rekeyd rotate --all --revoke-previous --timeout 1h --json

Exit codes:
   0  asked for; with --wait or --revoke-previous, all done
   1  with --wait or --revoke-previous: none done
   3  with --wait or --revoke-previous: done in part
  12  the daemon cannot be reached
  13  refused, nothing was asked for; so where there is no such secret or policy
  78  the configuration is wrong";

pub(super) const PAUSE: &str = "\
A paused secret is left as it is, in the middle of a rotation as well: both passwords go
on working.

Examples:
  rekeyd pause production/ec/user1 --for 2h --reason \"deployment\"
  rekeyd pause --policy orders
  rekeyd pause --all

Exit codes:
   0  paused
   1  it failed
  12  the daemon cannot be reached
  13  refused, nothing was paused
  78  the configuration is wrong";

pub(super) const RESUME: &str = "\
Examples:
  rekeyd resume production/ec/user1
  rekeyd resume --policy orders
  rekeyd resume --all

Exit codes:
   0  resumed
   1  it failed
  12  the daemon cannot be reached
  13  refused, nothing was resumed
  78  the configuration is wrong";

pub(super) const ROLLBACK: &str = "\
The previous password must log in on every node that can be asked. The user keeps both
passwords; the secret halts (rolled_back) until `rekeyd resume SECRET`, which rotates on
from there.

Examples:
  rekeyd rollback production/ec/user1
  rekeyd rollback production/ec/user1 --timeout 5m --json

Exit codes:
   0  rolled back
   1  not in time, or not known
  12  the daemon cannot be reached
  13  refused, nothing was changed
  78  the configuration is wrong";

pub(super) const RELOAD: &str = "\
Of replicas that share a table, all that live read their own configuration anew.

Examples:
  rekeyd reload
  rekeyd reload --json

Exit codes:
   0  in force
   3  in force but for keys that take a restart, or for a replica that has not taken it
  12  the daemon cannot be reached
  13  refused: the configuration before stays in force as a whole
  78  the configuration is wrong, and there is no daemon to ask";

pub(super) const LOG_LEVEL: &str = "\
It is one process's: ask over its own socket where several replicas share a table.

Examples:
  rekeyd log-level
  rekeyd log-level debug --for 10m
  rekeyd log-level 'info,rekeyd::aws=debug' --for 1h
  rekeyd log-level --end

Exit codes:
   0  done
  12  the daemon cannot be reached
  13  refused: nothing has changed
  78  the configuration is wrong, and there is no daemon to ask";

pub(super) const NOTIFY: &str = "\
Examples:
  rekeyd notify test oncall

Exit codes:
   0  the receiver took it
   1  it did not, or does not answer
   2  there is no such target
  78  the configuration is wrong";

pub(super) const NOTIFY_TEST: &str = "\
The message says that it is a test. It goes out from here and not from the daemon: with
the rights, the network and the AWS credentials of whoever runs this.

Examples:
  rekeyd notify test oncall
  rekeyd notify test oncall --json               its id, and what was answered

Exit codes:
   0  the receiver took it
   1  it did not, or does not answer
   2  there is no such target
  78  the configuration is wrong, or a file that it names";

pub(super) const STATE: &str = "\
The store holds history, pauses, requests and timings, and no password. Its file is of
JSON lines, and the same whatever store it comes from.

Examples:
  rekeyd state export --out state.jsonl
  rekeyd state import state.jsonl
  rekeyd state init-table

Exit codes:
   0  exported, imported, or the table is there
   1  the store or the file cannot be read or written
  11  import: another process, such as the daemon, holds the store
  13  refused, nothing was written
  78  the configuration is wrong";

pub(super) const STATE_EXPORT: &str = "\
Nothing is locked and nothing changed: the daemon may be at work. All of it is of one
moment, except of a table, which is read while replicas write: stop them first if the
export is to be the last. A FILE that is there is never overwritten.

Examples:
  rekeyd state export --out state.jsonl
  rekeyd state export | gzip > state.jsonl.gz
  rekeyd state export --out state.jsonl --json   how much there was

Exit codes:
   0  exported
   1  the store cannot be read, or the file cannot be written
  13  refused: FILE is there already
  78  the configuration is wrong";

pub(super) const STATE_IMPORT: &str = "\
All of it or nothing: a file that is cut short, broken or of a newer form is refused with
the line. Run it as the daemon's user while no daemon runs on the store. Nothing is
rotated because of it. An import into a table that was interrupted goes on when the same
file is imported again; no replica works with the table before that.

Examples:
  rekeyd state import state.jsonl
  rekeyd state import - < state.jsonl
  rekeyd state import state.jsonl --json         how much there was

Exit codes:
   0  imported
   1  the file cannot be read, or the store cannot be written
  11  another process, such as the daemon, holds the store
  13  refused, nothing was written: the store is not empty, or the file is not sound
  78  the configuration is wrong";

pub(super) const HEALTHCHECK: &str = "\
Examples:
  rekeyd healthcheck
  rekeyd healthcheck --ready
  rekeyd healthcheck --listen 127.0.0.1:9848

Exit codes:
   0  alive; with --ready, ready as well
   1  it answered that it is not
  12  the daemon cannot be reached
  78  the configuration is wrong";

pub(super) const SCHEMA: &str = "\
It knows each key, its form and its default. What is missing, or impossible beside
something else, only `rekeyd check` knows. An editor finds it by the first line of
rekeyd.toml, if that is `#:schema ./rekeyd.schema.json`.

Examples:
  rekeyd schema > rekeyd.schema.json

Exit codes:
   0  printed";

pub(super) const COMPLETIONS: &str = "\
Examples:
  rekeyd completions bash > /usr/share/bash-completion/completions/rekeyd
  rekeyd completions zsh > /usr/share/zsh/vendor-completions/_rekeyd
  rekeyd completions fish > /usr/share/fish/vendor_completions.d/rekeyd.fish

Exit codes:
   0  printed
   2  no such shell";

pub(super) const MAN: &str = "\
Examples:
  rekeyd man | man -l -
  rekeyd man --out /usr/local/share/man/man1

Exit codes:
   0  printed, or written
   1  the folder cannot be written";

pub(super) const STATE_INIT_TABLE: &str = "\
The table of \"dynamodb:TABLE\" in `daemon.state`: paid for by request, protected from
deletion, with items that expire and point-in-time recovery. Waits until it can be used.
A right one that is there already stays as it is. The daemon has no part in this and
needs no permission for it: `rekeyd iam-policy --for init-table` prints an operator's.

Examples:
  rekeyd state init-table
  rekeyd state init-table --json
  rekeyd state init-table --print terraform > rekeyd-table.tf

Exit codes:
   0  the table is there and right
   1  it could not be seen or created
   2  `daemon.state` names no table
  13  refused, nothing was changed: a table of that name is not one for rekeyd
  78  the configuration is wrong";
