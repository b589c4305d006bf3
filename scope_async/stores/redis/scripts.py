"""What `RedisStore` runs inside Redis: one Lua script per operation, each of them atomic.

Scripts and not functions, which need Redis 7. All keys of a namespace have one hash tag, so that
they lie in one slot of a cluster.
"""

from __future__ import annotations

import hashlib

import attrs

PREFIX = "scope-async"


@attrs.frozen
class Script:
    """A script, and the digest that Redis knows it by once it has run."""

    source: str
    digest: str


@attrs.frozen
class Keys:
    """The keys of a namespace.

    `state`: epoch, run of the server, counter, bytes, number of the last invalidation. `journal`:
    the latest changes by their number. `order` and `sizes`: tagged entries by age and size.
    """

    namespace: str

    def shared(self) -> list[str]:
        return [self._key(part) for part in ("state", "journal", "order", "sizes")]

    def of(self, name: str) -> list[str]:
        return [*self.shared(), self._key(f"entry:{name}"), self._key(f"lease:{name}")]

    @property
    def channel(self) -> str:
        return self._key("changes")

    def _key(self, part: str) -> str:
        return f"{PREFIX}:{{{self.namespace}}}:{part}"


_PRELUDE = """
local state, journal, order, sizes, entry, lease = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local prefix = string.sub(state, 1, -6)
local epoch, cluster

local function find_entry()
  local found = redis.pcall('HMGET', entry, 'content', 'version')
  if found.err or not (found[1] and found[2]) then return nil end
  local left = redis.call('PTTL', entry)
  if left <= 0 then return nil end
  return {found[1], found[2], left}
end

local function require_type(key, kind)  -- what another program wrote there is not ours to keep
  local there = redis.call('TYPE', key).ok
  if there ~= kind and there ~= 'none' then redis.call('DEL', key) end
end

-- A server that lost its memory, or took over from another one, starts a new epoch.
local function begin(candidate)
  require_type(state, 'hash'); require_type(journal, 'zset')
  require_type(order, 'zset'); require_type(sizes, 'hash')
  if entry then require_type(entry, 'hash') end
  if lease then require_type(lease, 'string') end
  local info = redis.pcall('INFO', 'server')
  if type(info) ~= 'string' then info = '' end  -- a user without the right to ask
  local run = string.match(info, 'run_id:(%x+)') or ''
  cluster = string.match(info, 'redis_mode:cluster') ~= nil
  local known = redis.call('HMGET', state, 'epoch', 'run')
  epoch = known[1]
  if not epoch or known[2] ~= run then
    epoch = candidate
    redis.call('HSET', state, 'epoch', epoch, 'run', run)
    redis.call('DEL', journal)
  end
end

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function note(kind, name, version)
  local number = redis.call('HINCRBY', state, 'changes', 1)
  local line = epoch .. ' ' .. number .. ' ' .. kind .. ' ' .. name .. ' ' .. version
  redis.call('ZADD', journal, number, line)
  redis.call('ZREMRANGEBYRANK', journal, 0, -KEPT - 1)
  for _, key in ipairs({state, journal, order, sizes}) do redis.call('PEXPIRE', key, FORGOTTEN) end
  -- Without the right or the command, readers find the change in the journal.
  redis.pcall(cluster and 'SPUBLISH' or 'PUBLISH', prefix .. 'changes', line)
end

local function drop(name)
  local size = redis.call('HGET', sizes, name)
  if size then redis.call('HINCRBY', state, 'bytes', -size) end
  redis.call('HDEL', sizes, name)
  redis.call('ZREM', order, name)
  return redis.call('DEL', prefix .. 'entry:' .. name)
end
"""

_KEPT_CHANGES = 256
_FORGOTTEN_AFTER = 7 * 86_400_000
"""Milliseconds without a write after which a namespace is removed."""


def _script(body: str) -> Script:
    source = _PRELUDE + body
    for name, value in (("KEPT", _KEPT_CHANGES), ("FORGOTTEN", _FORGOTTEN_AFTER)):
        source = source.replace(name, str(value))
    return Script(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


GET = _script("return find_entry() or false")
"""Return content, version and life left in ms."""

ACQUIRE = _script("""
local candidate, owner, duration, known = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
begin(candidate)
local found = find_entry()
if found and found[2] ~= known then return {'entry', found[1], found[2], found[3]} end
local held = redis.call('GET', lease)
if held then
  local e, counter, holder, at = string.match(held, '^(%x+):(%d+):(%x+):(%d+)$')
  if e == epoch and holder == owner then return {'lease', e, counter, at} end
  local left = redis.call('PTTL', lease)
  -- A lease of an earlier epoch writes nothing any more.
  if left > 0 and (e == epoch or held == 'cooldown') then return {'held', left} end
end
redis.call('PEXPIRE', state, FORGOTTEN)
local counter = redis.call('HINCRBY', state, 'counter', 1)
local at = string.format('%.0f', now())
redis.call('SET', lease, epoch .. ':' .. counter .. ':' .. owner .. ':' .. at, 'PX', duration)
return {'lease', epoch, counter, at}
""")

RENEW = _script("""
if redis.call('GET', lease) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', lease, ARGV[2])
""")

RELEASE = _script("""
local candidate, proof, cooldown, name = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
begin(candidate)
if redis.call('GET', lease) ~= proof then return 0 end
if tonumber(cooldown) > 0 then
  redis.call('SET', lease, 'cooldown', 'PX', cooldown)
else
  redis.call('DEL', lease)
end
note('released', name, '')
return 1
""")

PUT = _script("""
local candidate, proof, name, version, content = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local lifetime, tags = tonumber(ARGV[6]), ARGV[7]
local max_entries, max_bytes = tonumber(ARGV[8]), tonumber(ARGV[9])
begin(candidate)
local held = redis.call('GET', lease)
if held ~= proof then
  local found = find_entry()
  return found and found[2] == version and 1 or 0
end
local e, counter, at = string.match(proof, '^(%x+):(%d+):%x+:(%d+)$')
redis.call('DEL', lease)
local left = math.floor(lifetime - (now() - at))
local invalidated = tonumber(redis.call('HGET', state, 'invalidated') or 0)
if e ~= epoch or left <= 0 or #content > max_bytes or (tags ~= '' and tonumber(counter) <= invalidated) then
  note('released', name, '')
  return 0
end
drop(name)
redis.call('HSET', entry, 'content', content, 'version', version, 'tags', tags)
redis.call('PEXPIRE', entry, left)
if tags ~= '' then
  redis.call('ZADD', order, counter, name)
  redis.call('HSET', sizes, name, #content)
  local bytes = redis.call('HINCRBY', state, 'bytes', #content)
  while redis.call('ZCARD', order) > max_entries or bytes > max_bytes do
    local oldest = redis.call('ZRANGE', order, 0, 0)[1]
    if not oldest or oldest == name then break end
    drop(oldest)
    bytes = tonumber(redis.call('HGET', state, 'bytes'))
  end
end
note('put', name, version)
return 1
""")

DELETE = _script("""
local candidate, name, version = ARGV[1], ARGV[2], ARGV[3]
begin(candidate)
if redis.call('HGET', entry, 'version') ~= version then return 0 end
drop(name)
note('deleted', name, version)
return 1
""")

INVALIDATE = _script("""
local candidate, tag = ARGV[1], ARGV[2]
begin(candidate)
for _, name in ipairs(redis.call('ZRANGE', order, 0, -1)) do
  local tags = redis.pcall('HGET', prefix .. 'entry:' .. name, 'tags')
  if type(tags) ~= 'string' or string.find(tags, tag, 1, true) then drop(name) end
end
redis.call('HSET', state, 'invalidated', redis.call('HINCRBY', state, 'counter', 1))
note('invalidated', tag, '')
return 1
""")

CHANGES = _script("""
local known = redis.pcall('HMGET', state, 'epoch', 'changes')
if known.err or not known[1] then return {'', '0', {}} end
local lines = redis.pcall('ZRANGEBYSCORE', journal, '(' .. ARGV[1], '+inf')
if lines.err then lines = {} end
return {known[1], known[2] or '0', lines}
""")
"""Return epoch, number of the last change, and the changes after a number."""
