//! What Redis runs: each script at once, on keys of one slot.

/// A script that has `begin(epoch, must)`: it begins an epoch of the first key's namespace if it must, or if Redis has no
/// generation of it that could be one.
macro_rules! beginning {
    ($script:literal) => {
        concat!(
            r"
local function begin(epoch, must)
  local found = redis.call('HMGET', KEYS[1], 'e', 'n', 'c')
  for i = 1, 3 do must = must or not found[i] or #found[i] > 64 end
  must = must or not tonumber(found[2]) or not tonumber(found[3])
  if must then
    redis.call('DEL', KEYS[1])
    redis.call('HSET', KEYS[1], 'e', epoch, 'n', 0, 'c', 0)
  end
end
",
            $script
        )
    };
}

/// Invalidates a namespace, or stripes of it, and tells everybody.
///
/// Keys: generation, journal, journal's count. Arguments: a fresh epoch, who asks, the namespace, `1` for all of it,
/// the channel, the stripes with a space between. Returns the generation. How often a stripe was invalidated stands
/// beside the generation, for the values that Redis holds.
///
/// A generation that Redis doesn't know begins a new epoch: whatever was valid under the one before can't be told from
/// what wasn't.
pub(super) const INVALIDATE: &str = beginning!(
    r"
begin(ARGV[1], false)
if ARGV[4] == '1' then redis.call('HINCRBY', KEYS[1], 'n', 1) end
for stripe in string.gmatch(ARGV[6], '%d+') do
  local grown = redis.pcall('HINCRBY', KEYS[1], 's' .. stripe, 1)
  if type(grown) == 'table' then begin(ARGV[1], true) end
end
redis.call('HINCRBY', KEYS[1], 'c', 1)
redis.call('XADD', KEYS[2], 'MAXLEN', '~', 10000, '*', 'v', 1, 'i', ARGV[2], 'n', ARGV[3], 'a', ARGV[4], 's', ARGV[6])
redis.call('INCR', KEYS[3])
redis.call('PUBLISH', ARGV[5], '')
return redis.call('HMGET', KEYS[1], 'e', 'n', 'c')
"
);

/// Reads all that an instance has to know.
///
/// Keys: journal, journal's count, generations. Arguments: the last line read, or nothing at first; how many lines to
/// read. Returns the count, the last line's id, the lines since, and the generations.
///
/// Whoever may write to Redis may put down lines and generations of any length: lines of more than 4 MiB in all are left
/// out, which is a gap to who reads, and a generation that isn't one is told as none.
pub(super) const READ: &str = r"
local count = tonumber(redis.call('GET', KEYS[2]) or '0')
local lines = {}
if ARGV[1] ~= '' then
  lines = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])
end
local bytes = 0
for _, line in ipairs(lines) do
  for _, field in ipairs(line[2]) do bytes = bytes + #field end
end
if bytes > 4194304 then lines = {} end
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local generations = {}
for i = 3, #KEYS do
  local found = redis.call('HMGET', KEYS[i], 'e', 'n', 'c')
  for _, field in ipairs(found) do
    if field and #field > 64 then found = {false, false, false} break end
  end
  generations[i - 2] = found
end
return {count, last[1] and last[1][1] or '0-0', lines, generations}
";

/// Begins a new epoch of a namespace that Redis doesn't know, or, if it must, of one that it does.
///
/// Keys: generation. Arguments: a fresh epoch, `1` if it must. Returns the generation.
pub(super) const BEGIN: &str = beginning!(
    r"
begin(ARGV[1], ARGV[2] == '1')
return redis.call('HMGET', KEYS[1], 'e', 'n', 'c')
"
);

/// What the values under some stripes have to have been made under.
///
/// Keys: generation. Arguments: a fresh epoch, the stripes. Returns the epoch, all changes, and the numbers that count: of
/// the whole invalidations, and of those of each stripe.
pub(super) const STAMP: &str = beginning!(
    r"
begin(ARGV[1], false)
local fields = {'n'}
for i = 2, #ARGV do fields[i] = 's' .. ARGV[i] end
local found = redis.call('HMGET', KEYS[1], unpack(fields))
for i = 2, #found do
  found[i] = found[i] or '0'
  if #found[i] > 64 then
    begin(ARGV[1], true)
    for j = 1, #fields do found[j] = '0' end
    break
  end
end
local epoch = redis.call('HMGET', KEYS[1], 'e', 'c')
return {epoch[1], tonumber(epoch[2]), found}
"
);

/// Reads a value, if it isn't longer than values are; of a longer one the beginning.
///
/// Keys: value. Arguments: the greatest length. Returns the value and the milliseconds that are left to it.
pub(super) const GET: &str = r"
local length = redis.call('STRLEN', KEYS[1])
if length > tonumber(ARGV[1]) then return {redis.call('GETRANGE', KEYS[1], 0, 91), -1} end
return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}
";

/// Takes the lease of a key, unless its value is another than the one that was seen, or somebody has the lease under the
/// same stamp.
///
/// Keys: value, lease. Arguments: the token of the value that was seen, or nothing; the lease, which is a token and a
/// stamp; its milliseconds. Returns 0 if it is taken, 1 if the value is another, 2 if somebody has it.
pub(super) const LEASE: &str = r"
if redis.call('GETRANGE', KEYS[1], 4, 19) ~= ARGV[1] then return 1 end
local held = redis.call('GETRANGE', KEYS[2], 16, 63)
if held ~= '' and held == string.sub(ARGV[2], 17) then return 2 end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 0
";

/// Puts a value down and gives the lease back, if it is still held; nothing for a value only gives it back.
///
/// Keys: value, lease. Arguments: the lease, the value, its milliseconds. Returns whether it was still held.
pub(super) const FILL: &str = r"
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
if ARGV[2] ~= '' then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
redis.call('DEL', KEYS[2])
return 1
";
