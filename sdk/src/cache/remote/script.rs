//! What Redis runs: each script at once, on keys of one slot.

/// Invalidates a namespace, or stripes of it, and tells everybody.
///
/// Keys: generation, journal, journal's count. Arguments: a fresh epoch, who asks, the namespace, `1` for all of it,
/// the channel, the stripes with a space between. Returns the generation.
///
/// A generation that Redis doesn't know begins a new epoch: whatever was valid under the one before can't be told from
/// what wasn't.
pub(super) const INVALIDATE: &str = r"
if redis.call('HEXISTS', KEYS[1], 'e') == 0 then
  redis.call('HSET', KEYS[1], 'e', ARGV[1], 'n', 0, 'c', 0)
end
if ARGV[4] == '1' then redis.call('HINCRBY', KEYS[1], 'n', 1) end
redis.call('HINCRBY', KEYS[1], 'c', 1)
redis.call('XADD', KEYS[2], 'MAXLEN', '~', 10000, '*', 'v', 1, 'i', ARGV[2], 'n', ARGV[3], 'a', ARGV[4], 's', ARGV[6])
redis.call('INCR', KEYS[3])
redis.call('PUBLISH', ARGV[5], '')
return redis.call('HMGET', KEYS[1], 'e', 'n', 'c')
";

/// Reads all that an instance has to know.
///
/// Keys: journal, journal's count, generations. Arguments: the last line read, or nothing at first; how many lines to
/// read. Returns the count, the last line's id, the lines since, and the generations.
pub(super) const READ: &str = r"
local count = tonumber(redis.call('GET', KEYS[2]) or '0')
local lines = {}
if ARGV[1] ~= '' then
  lines = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])
end
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local generations = {}
for i = 3, #KEYS do generations[i - 2] = redis.call('HMGET', KEYS[i], 'e', 'n', 'c') end
return {count, last[1] and last[1][1] or '0-0', lines, generations}
";

/// Begins a new epoch of a namespace that Redis doesn't know, or, if it must, of one that it does.
///
/// Keys: generation. Arguments: a fresh epoch, `1` if it must. Returns the generation.
pub(super) const BEGIN: &str = r"
if ARGV[2] == '1' or redis.call('HEXISTS', KEYS[1], 'e') == 0 then
  redis.call('HSET', KEYS[1], 'e', ARGV[1])
  redis.call('HSETNX', KEYS[1], 'n', 0)
  redis.call('HSETNX', KEYS[1], 'c', 0)
end
return redis.call('HMGET', KEYS[1], 'e', 'n', 'c')
";
