-- rule.py again, on the server: every machine asks here, and this clock alone counts.
-- KEYS[1]: the account's hash. ARGV: what happened, in which process, its requests a second, and
-- the facts of it. The constants are those of rule.py and shared.py.
-- Fields: v format, e when it was made, n the last ticket, hold, factor,
--   t:TURN  "WHEN LEFT": when its request left (LEFT 1), or may leave (0)
--   m:PROCESS  "SEEN TICKET UNTIL": when it was heard of, its place in the line of those who wait
--     (0: in none), and until when it keeps that without asking again
local key, event, process = KEYS[1], ARGV[1], ARGV[2]
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000

local function number(text, default)
  local found = tonumber(text)
  if found and found > -1e15 and found < 1e15 then return found end
  return default
end

local function text(seconds) return string.format('%.6f', seconds) end

local fields = redis.call('HGETALL', key)
local hash, turns, processes = {}, {}, {}
for i = 1, #fields, 2 do hash[fields[i]] = fields[i + 1] end
if hash.v and hash.v ~= FORMAT then return {'format', hash.v} end
local anew = number(hash.e, now + 1) > now
if hash.n and not (#hash.n < 16 and string.match(hash.n, '^%d+$')) then
  redis.call('HDEL', key, 'n')
end
local factor = number(hash.factor, 1)
if factor < SLOWEST or factor > 1 then factor = 1 end
local held = number(hash.hold, 0) - now
if held <= 0 or held > STALE then held = 0 end

-- Who was not heard of for long is gone; what lies ahead was written before the clock was set back.
for name, value in pairs(hash) do
  local kind, id = string.sub(name, 1, 2), string.sub(name, 3)
  if kind == 't:' then
    local at, left = string.match(value, '^(%S+) ([01])$')
    at = number(at, nil)
    if at and at <= now + MOST_LEAD then
      turns[id] = {at = at, left = left == '1'}
    else
      anew = true
      redis.call('HDEL', key, name)
    end
  elseif kind == 'm:' then
    local seen, ticket, till = string.match(value, '^(%S+) (%S+) (%S+)$')
    seen, ticket, till = number(seen, nil), number(ticket, 0), number(till, 0)
    if seen and seen <= now + MOST_LEAD and math.max(seen + TTL, till) >= now then
      processes[id] = {ticket = ticket, till = math.min(till, now + STALE + TTL)}
    else
      redis.call('HDEL', key, name)
    end
  end
end
if anew then
  hash.e = text(now)
  redis.call('HSET', key, 'v', FORMAT, 'e', hash.e)
end

local own = processes[process] or {ticket = 0, till = 0}
processes[process] = own

local function put(id, at, left)
  turns[id] = {at = at, left = left}
  redis.call('HSET', key, 't:' .. id, text(at) .. (left and ' 1' or ' 0'))
end

local function rested(seconds)
  held = math.max(held, math.min(seconds, STALE))
  redis.call('HSET', key, 'hold', text(now + held))
end

local rps, given, wait = tonumber(ARGV[3]), 0, 0
local room = math.max(1, math.floor(rps))
local window = (room / rps + MARGIN) / factor
if event == 'take' then
  local turn, lead, since = ARGV[4], tonumber(ARGV[5]), ARGV[6]
  local ready, last, left = now + held, nil, {}
  for _, one in pairs(turns) do
    last = math.max(last or one.at, one.at)
    -- What has not left may leave now.
    left[#left + 1] = one.left and one.at or math.max(one.at, math.min(now, one.at + PENDING))
  end
  if last then ready = math.max(ready, last + EVEN * window / room) end
  if #left >= room then
    table.sort(left)
    ready = math.max(ready, left[#left - room + 1] + window)
  end
  -- The hash was lost, and with it what left just before: as much may have left as may in a window.
  if since ~= '' and since ~= hash.e then ready = math.max(ready, number(hash.e, 0) + window) end
  -- Who waits goes by the order of coming. One that does not come in time is not waited for.
  local ahead = 0
  for id, one in pairs(processes) do
    if id ~= process and one.ticket > 0 and one.till >= now
        and (own.ticket == 0 or one.ticket < own.ticket) then
      ahead = ahead + 1
    end
  end
  if ahead == 0 and ready <= now + lead then
    given, wait = 1, ready - now
    own.ticket, own.till = 0, 0
    for id, one in pairs(turns) do
      if one.at < now - math.max(window, KEPT) then redis.call('HDEL', key, 't:' .. id) end
    end
    put(turn, ready, false)
  else
    wait = math.max(0, ready - now - lead) + ahead * window / room
    if own.ticket == 0 then own.ticket = redis.call('HINCRBY', key, 'n', 1) end
    own.till = now + wait + GRACE
  end
elseif event == 'left' then
  put(ARGV[4], now - tonumber(ARGV[5]), true)
elseif event == 'dropped' then
  local one = turns[ARGV[4]]
  if one then put(ARGV[4], one.at, true) end
elseif event == 'succeeded' then
  factor = math.min(1, factor + RECOVER)
elseif event == 'failed' then
  factor = math.max(SLOWEST, factor * DROP)
  rested(tonumber(ARGV[4]))
elseif event == 'gave up' then
  own.ticket, own.till = 0, 0
end
redis.call('HSET', key, 'factor', text(factor))
if event == 'bye' then
  processes[process] = nil
  redis.call('HDEL', key, 'm:' .. process)
else
  local seen = {text(now), own.ticket, text(own.till)}
  redis.call('HSET', key, 'm:' .. process, table.concat(seen, ' '))
end
redis.call('PEXPIRE', key, math.ceil(1000 * (TTL + math.max(held, window))))
local count = 0
for _ in pairs(processes) do count = count + 1 end
return {'ok', given, text(wait), count, text(factor), text(held), hash.e}
