-- What Redis does for a store, each function in one step that nothing comes between.
--
-- A prelude (redis_library.py) defines NAME, FINGERPRINT (8 bytes), FORMATS (struct formats of so
-- many doubles) and ENTITIES by the first byte of a key: the seconds after which a key that is not
-- written may go, and per event type the slots of its block: periods per landmark of the slot's
-- half-life, 0 where the slot is the latest time.

local HEAD, POSITIONS = 'cartwise:head', 'cartwise:positions'
local ENTITY_BYTE = 4 -- of a key with its prefix
local AT_A_TIME = 1000 -- values that fit Lua's stack

local function fail(code, text)
  return redis.error_reply('CARTWISE_' .. code .. ' ' .. text)
end

local function seen_key(source, bucket)
  return 'cartwise:seen:' .. bucket .. ':' .. source
end

local function buckets_key(source)
  return 'cartwise:buckets:' .. source
end

-- States ------------------------------------------------------------------------------------------

local function is_state(state, entity)
  if #state < 16 or string.sub(state, 1, 8) ~= FINGERPRINT then
    return false
  end
  local mask = struct.unpack('<I4', state, 13)
  local size = entity.sizes[mask]
  if not size then
    size = 16
    for event = 1, #entity.blocks do
      if bit.band(mask, 2 ^ (event - 1)) ~= 0 then
        size = size + 8 * #entity.blocks[event]
      end
    end
    entity.sizes[mask] = size
  end
  return #state == size
end

-- Moves a block's sums, not its time, by so many landmarks: the power of two is exact.
local function move(values, slots, landmarks)
  for i = 1, #slots do
    if slots[i] > 0 then
      values[i] = math.ldexp(values[i], landmarks * slots[i])
    end
  end
end

local function add(ours, theirs, slots)
  for i = 1, #slots do
    if slots[i] > 0 then
      ours[i] = ours[i] + theirs[i]
    elseif theirs[i] > ours[i] then
      ours[i] = theirs[i]
    end
  end
end

-- A block's values for a landmark, or none.
local function values_of(state, place, slots, landmarks)
  local values = {struct.unpack(FORMATS[#slots], state, place)}
  if landmarks ~= 0 then
    move(values, slots, landmarks)
  end
  return values
end

-- The sum of two packed states of an entity. Blocks that only one of them has are copied.
local function merged(blocks, old, new)
  local old_landmark, old_mask = struct.unpack('<i4I4', old, 9)
  local new_landmark, new_mask = struct.unpack('<i4I4', new, 9)
  local landmark = math.max(old_landmark, new_landmark)
  local old_move, new_move = old_landmark - landmark, new_landmark - landmark
  local parts = {FINGERPRINT, struct.pack('<i4I4', landmark, bit.bor(old_mask, new_mask))}
  local old_place, new_place, flag = 17, 17, 1
  for event = 1, #blocks do
    local slots = blocks[event]
    local size = 8 * #slots
    local ours, theirs = bit.band(old_mask, flag) ~= 0, bit.band(new_mask, flag) ~= 0
    if ours and theirs then
      local values = values_of(old, old_place, slots, old_move)
      add(values, values_of(new, new_place, slots, new_move), slots)
      parts[#parts + 1] = struct.pack(FORMATS[#slots], unpack(values, 1, #slots))
    elseif ours and old_move == 0 then
      parts[#parts + 1] = string.sub(old, old_place, old_place + size - 1)
    elseif theirs and new_move == 0 then
      parts[#parts + 1] = string.sub(new, new_place, new_place + size - 1)
    elseif ours then
      local values = values_of(old, old_place, slots, old_move)
      parts[#parts + 1] = struct.pack(FORMATS[#slots], unpack(values, 1, #slots))
    elseif theirs then
      local values = values_of(new, new_place, slots, new_move)
      parts[#parts + 1] = struct.pack(FORMATS[#slots], unpack(values, 1, #slots))
    end
    if ours then old_place = old_place + size end
    if theirs then new_place = new_place + size end
    flag = flag * 2
  end
  return table.concat(parts)
end

local function refusal(key, state)
  local found = string.sub(state, 1, 8)
  if #found == 8 and found ~= FINGERPRINT then
    return fail('FOREIGN', (string.gsub(found, '.', function(byte)
      return string.format('%02x', string.byte(byte))
    end)))
  end
  return fail('DAMAGED', tostring(string.byte(key, ENTITY_BYTE)))
end

-- Fills `states` with what the keys will hold; returns a refusal if a state is none.
-- `deltas` begin after `before`.
local function merge_all(keys, deltas, before, states)
  for start = 1, #keys, AT_A_TIME do
    local last = math.min(start + AT_A_TIME - 1, #keys)
    local olds = redis.call('MGET', unpack(keys, start, last))
    for i = start, last do
      local entity = ENTITIES[string.byte(keys[i], ENTITY_BYTE)]
      local old, new = olds[i - start + 1], deltas[before + i]
      if not entity or not is_state(new, entity) then
        return refusal(keys[i], new)
      end
      if old and not is_state(old, entity) then
        return refusal(keys[i], old)
      end
      states[i] = old and merged(entity.blocks, old, new) or new
    end
  end
end

local function put_all(keys, states, before)
  for i = 1, #keys do
    local entity = ENTITIES[string.byte(keys[i], ENTITY_BYTE)]
    redis.call('SET', keys[i], states[before + i], 'EX', entity.kept_seconds)
  end
end

-- Sources -----------------------------------------------------------------------------------------

-- Reads the advances that begin in `args` after `place`: source, expected offset ('' for none), its
-- offset and counts, oldest bucket ('' for all), number of buckets, then bucket and ids of each.
-- Returns them and the place of their end.
local function advances_of(args, place, count)
  local advances = {}
  for i = 1, count do
    local advance = {
      source = args[place + 1],
      expected = args[place + 2],
      position = args[place + 3],
      oldest = args[place + 4],
      seen = {},
    }
    local buckets = tonumber(args[place + 5])
    place = place + 5
    for j = 1, buckets do
      advance.seen[j] = {args[place + 1], args[place + 2]}
      place = place + 2
    end
    advances[i] = advance
  end
  return advances, place
end

local function offset_of(source)
  local position = redis.call('HGET', POSITIONS, source)
  return position and string.match(position, '^%-?%d+') or ''
end

local function stale(advances)
  for _, advance in ipairs(advances) do
    local found = offset_of(advance.source)
    if found ~= advance.expected then
      return fail('STALE', found .. ' ' .. advance.expected .. ' ' .. advance.source)
    end
  end
end

local function forget(source, oldest)
  for _, bucket in ipairs(redis.call('SMEMBERS', buckets_key(source))) do
    if tonumber(bucket) < oldest then
      redis.call('DEL', seen_key(source, bucket))
      redis.call('SREM', buckets_key(source), bucket)
    end
  end
end

local function move_sources(advances)
  for _, advance in ipairs(advances) do
    redis.call('HSET', POSITIONS, advance.source, advance.position)
    for _, seen in ipairs(advance.seen) do
      redis.call('APPEND', seen_key(advance.source, seen[1]), seen[2])
      redis.call('SADD', buckets_key(advance.source), seen[1])
    end
    if advance.oldest ~= '' then
      forget(advance.source, tonumber(advance.oldest))
    end
  end
end

local function forget_sources()
  for _, source in ipairs(redis.call('HKEYS', POSITIONS)) do
    forget(source, math.huge)
  end
  redis.call('DEL', POSITIONS)
end

-- Functions ---------------------------------------------------------------------------------------

-- keys: of states. args: the complete head, number of advances, advances, a delta for each key.
local function merge(keys, args)
  local head = redis.call('GET', HEAD)
  if head and head ~= args[1] then
    return fail('HEAD', head)
  end
  local advances, place = advances_of(args, 2, tonumber(args[2]))
  local refused = stale(advances)
  if refused then
    return refused
  end
  local states = {}
  refused = merge_all(keys, args, place, states)
  if refused then
    return refused
  end
  -- Nothing from here on can fail: what is written, is written as a whole.
  put_all(keys, states, 0)
  move_sources(advances)
  if not head then
    redis.call('SET', HEAD, args[1])
  end
  return #keys
end

-- args: the source. Position, or false, then bucket and ids in turn.
local function resume(_, args)
  local found = {redis.call('HGET', POSITIONS, args[1])}
  for _, bucket in ipairs(redis.call('SMEMBERS', buckets_key(args[1]))) do
    found[#found + 1] = bucket
    found[#found + 1] = redis.call('GET', seen_key(args[1], bucket))
  end
  return found
end

-- args: the head of a new load.
local function begin_load(_, args)
  redis.call('SET', HEAD, args[1])
  forget_sources()
  return 1
end

-- Each of these goes on only while the load is the one under way.
local function in_load(step)
  return function(keys, args)
    local head = redis.call('GET', HEAD)
    if head ~= args[1] then
      return fail('LOAD', head or '')
    end
    return step(keys, args)
  end
end

-- keys: to be deleted before a load.
local function clear(keys)
  for start = 1, #keys, AT_A_TIME do
    redis.call('UNLINK', unpack(keys, start, math.min(start + AT_A_TIME - 1, #keys)))
  end
  return #keys
end

-- keys: of states. args: the head, a state for each key.
local function put(keys, args)
  put_all(keys, args, 1)
  return #keys
end

-- args: the head, the complete head, number of advances, advances.
local function end_load(_, args)
  move_sources((advances_of(args, 3, tonumber(args[3]))))
  redis.call('SET', HEAD, args[2])
  return 1
end

redis.register_function(NAME .. '_merge', merge)
redis.register_function{
  function_name = NAME .. '_resume', callback = resume, flags = {'no-writes'},
}
redis.register_function(NAME .. '_begin_load', begin_load)
redis.register_function(NAME .. '_clear', in_load(clear))
redis.register_function(NAME .. '_put', in_load(put))
redis.register_function(NAME .. '_end_load', in_load(end_load))
