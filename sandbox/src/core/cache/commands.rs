//! Commands and categories that a node knows.
//!
//! A server refuses access strings with others, and a node that refuses one of its users does not come up. The lists
//! are those of Redis 7.0 (`COMMAND LIST`, `ACL CAT`), which every server that the sandbox starts has at least.

/// Categories, without their `@`; and the two that every command is in, or none.
const CATEGORIES: &str = "
    admin bitmap blocking connection dangerous fast geo hash hyperloglog keyspace list pubsub read scripting set
    slow sortedset stream string transaction write
";

/// Commands.
const COMMANDS: &str = "
    acl append asking auth bgrewriteaof bgsave bitcount bitfield bitfield_ro bitop bitpos blmove blmpop blpop brpop
    brpoplpush bzmpop bzpopmax bzpopmin client cluster command config copy dbsize debug decr decrby del discard dump
    echo eval eval_ro evalsha evalsha_ro exec exists expire expireat expiretime failover fcall fcall_ro flushall
    flushdb function geoadd geodist geohash geopos georadius georadius_ro georadiusbymember georadiusbymember_ro
    geosearch geosearchstore get getbit getdel getex getrange getset hdel hello hexists hget hgetall hincrby
    hincrbyfloat hkeys hlen hmget hmset hrandfield hscan hset hsetnx hstrlen hvals incr incrby incrbyfloat info keys
    lastsave latency lcs lindex linsert llen lmove lmpop lolwut lpop lpos lpush lpushx lrange lrem lset ltrim memory
    mget migrate module monitor move mset msetnx multi object persist pexpire pexpireat pexpiretime pfadd pfcount
    pfdebug pfmerge pfselftest ping psetex psubscribe psync pttl publish pubsub punsubscribe quit randomkey readonly
    readwrite rename renamenx replconf replicaof reset restore restore-asking role rpop rpoplpush rpush rpushx sadd
    save scan scard script sdiff sdiffstore select set setbit setex setnx setrange shutdown sinter sintercard
    sinterstore sismember slaveof slowlog smembers smismember smove sort sort_ro spop spublish srandmember srem
    sscan ssubscribe strlen subscribe substr sunion sunionstore sunsubscribe swapdb sync time touch ttl type unlink
    unsubscribe unwatch wait watch xack xadd xautoclaim xclaim xdel xgroup xinfo xlen xpending xrange xread
    xreadgroup xrevrange xsetid xtrim zadd zcard zcount zdiff zdiffstore zincrby zinter zintercard zinterstore
    zlexcount zmpop zmscore zpopmax zpopmin zrandmember zrange zrangebylex zrangebyscore zrangestore zrank zrem
    zremrangebylex zremrangebyrank zremrangebyscore zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan zscore
    zunion zunionstore
";

/// Commands that consist of others, which are named behind a bar.
const CONTAINERS: &[(&str, &str)] = &[
    (
        "acl",
        "cat deluser dryrun genpass getuser help list load log save setuser users whoami",
    ),
    (
        "client",
        "caching getname getredir help id info kill list no-evict pause reply setname tracking trackinginfo \
         unblock unpause",
    ),
    (
        "cluster",
        "addslots addslotsrange bumpepoch count-failure-reports countkeysinslot delslots delslotsrange \
         failover flushslots forget getkeysinslot help info keyslot links meet myid nodes replicas replicate \
         reset saveconfig set-config-epoch setslot shards slaves slots",
    ),
    ("command", "count docs getkeys getkeysandflags help info list"),
    ("config", "get help resetstat rewrite set"),
    ("function", "delete dump flush help kill list load restore stats"),
    ("latency", "doctor graph help histogram history latest reset"),
    ("memory", "doctor help malloc-stats purge stats usage"),
    ("module", "help list load loadex unload"),
    ("object", "encoding freq help idletime refcount"),
    ("pubsub", "channels help numpat numsub shardchannels shardnumsub"),
    ("script", "debug exists flush help kill load"),
    ("slowlog", "get help len reset"),
    ("xgroup", "create createconsumer delconsumer destroy help setid"),
    ("xinfo", "consumers groups help stream"),
];

/// Whether a rule of an access string, without its sign, names a command or a category that nodes know. Of a command
/// without subcommands, a first argument may be named behind the bar.
pub(crate) fn is_known(rule: &str) -> bool {
    let rule = rule.to_ascii_lowercase();
    if let Some(category) = rule.strip_prefix('@') {
        return category == "all" || has(CATEGORIES, category);
    }
    let (command, sub) = match rule.split_once('|') {
        Some((command, sub)) => (command, Some(sub)),
        None => (rule.as_str(), None),
    };
    let container = CONTAINERS.iter().find(|(name, _)| *name == command);
    match (sub, container) {
        (None, _) => has(COMMANDS, command),
        (Some(sub), Some((_, subs))) => has(subs, sub),
        (Some(sub), None) => has(COMMANDS, command) && !sub.is_empty() && !sub.contains('|'),
    }
}

fn has(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace().any(|known| known == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_subcommands_and_categories_are_known_in_any_case() {
        for rule in ["get", "GET", "@read", "@all", "config|get", "select|0", "config"] {
            assert!(is_known(rule), "{rule}");
        }
        for rule in ["gett", "@reading", "config|gett", "@", "", "get|", "nosuch|get"] {
            assert!(!is_known(rule), "{rule}");
        }
    }
}
