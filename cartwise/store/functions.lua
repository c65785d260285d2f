-- What Redis does for a store, each function in one step that nothing comes between.
--
-- A prelude (redis_library.py) defines NAME, FINGERPRINT (8 bytes) and ENTITIES, by the first byte
-- of a key: `kept_seconds` after which a key that is not written may go, and `blocks` by event type,
-- each with its size in `bytes` and two functions of packed blocks, written out for their length:
-- `add(one, its place, other, its place)`, and `move(one, its place, landmarks)`.

local HEAD, POSITIONS = 'cartwise:head', 'cartwise:positions'
local ENTITY_BYTE = 4 -- of a key with its prefix
local FIRST_BLOCK = 17 -- place in a packed state
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

-- Where the blocks of a state with this mask begin, by event type (none: false), its size, and the
-- event type of its `only` block if it has one.
local function shape_of(entity, mask)
  local shape = entity.shapes[mask]
  if not shape then
    local place, present = FIRST_BLOCK, {}
    shape = {}
    for event, block in ipairs(entity.blocks) do
      shape[event] = false
      if bit.band(mask, 2 ^ (event - 1)) ~= 0 then
        shape[event] = place
        place = place + block.bytes
        present[#present + 1] = event
      end
    end
    shape.bytes = place - 1
    shape.only = #present == 1 and present[1]
    entity.shapes[mask] = shape
  end
  return shape
end

-- Shape, landmark and mask of a packed state; none if it is no state of this entity.
local function parse(entity, state)
  if #state >= FIRST_BLOCK - 1 then
    local fingerprint, landmark, mask = struct.unpack('<c8i4I4', state)
    local shape = shape_of(entity, mask)
    if fingerprint == FINGERPRINT and #state == shape.bytes then
      return shape, landmark, mask
    end
  end
end

-- A block of a state, moved by so many landmarks.
local function block_of(block, state, place, landmarks)
  if landmarks ~= 0 then
    return block.move(state, place, landmarks)
  end
  return string.sub(state, place, place + block.bytes - 1)
end

-- The sum of two packed states of an entity, of any shape and landmark.
local function sum_of(entity, old, old_shape, old_move, new, new_shape, new_move)
  local parts = {}
  for event, block in ipairs(entity.blocks) do
    local ours, theirs = old_shape[event], new_shape[event]
    if ours and theirs then
      local one = block_of(block, old, ours, old_move)
      parts[#parts + 1] = block.add(one, 1, block_of(block, new, theirs, new_move), 1)
    elseif ours then
      parts[#parts + 1] = block_of(block, old, ours, old_move)
    elseif theirs then
      parts[#parts + 1] = block_of(block, new, theirs, new_move)
    end
  end
  return table.concat(parts)
end

-- Adds a delta to a packed state; none if that is no state of the entity.
local function merged(entity, old, new, new_shape, new_landmark, new_mask)
  local old_shape, old_landmark, old_mask = parse(entity, old)
  if not old_shape then
    return nil
  end
  local only = new_shape.only
  local place = only and old_shape[only]
  if place and old_landmark == new_landmark then
    -- Nearly always: one block of the delta goes into a block that is there.
    local block = entity.blocks[only]
    local sum = block.add(old, place, new, FIRST_BLOCK)
    local before = string.sub(old, 1, place - 1)
    if old_shape.only then
      return before .. sum
    end
    return before .. sum .. string.sub(old, place + block.bytes)
  end
  local landmark = math.max(old_landmark, new_landmark)
  local head = struct.pack('<i4I4', landmark, bit.bor(old_mask, new_mask))
  return FINGERPRINT .. head .. sum_of(
    entity, old, old_shape, old_landmark - landmark, new, new_shape, new_landmark - landmark
  )
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
      local key, new, old = keys[i], deltas[before + i], olds[i - start + 1]
      local entity = ENTITIES[string.byte(key, ENTITY_BYTE)]
      local shape, landmark, mask
      if entity then
        shape, landmark, mask = parse(entity, new)
      end
      if not shape then
        return refusal(key, new)
      end
      states[i] = new
      if old then
        states[i] = merged(entity, old, new, shape, landmark, mask)
      end
      if not states[i] then
        return refusal(key, old)
      end
    end
  end
end

local function put_all(keys, states, before)
  local call, byte = redis.call, string.byte
  for i = 1, #keys do
    local entity = ENTITIES[byte(keys[i], ENTITY_BYTE)]
    call('SET', keys[i], states[before + i], 'EX', entity.kept_seconds)
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

-- Refuses advances that begin elsewhere than where their sources stand.
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

-- keys: of states. args: the complete head, then for each key the state that it has to have, '' for
-- none, and the one that takes its place. Returns the places of keys that have another one.
local function replace(keys, args)
  local head = redis.call('GET', HEAD)
  if head and head ~= args[1] then
    return fail('HEAD', head)
  end
  local chosen, states, other = {}, {}, {}
  for start = 1, #keys, AT_A_TIME do
    local last = math.min(start + AT_A_TIME - 1, #keys)
    local found = redis.call('MGET', unpack(keys, start, last))
    for i = start, last do
      if (found[i - start + 1] or '') == args[2 * i] then
        chosen[#chosen + 1] = keys[i]
        states[#states + 1] = args[2 * i + 1]
      else
        other[#other + 1] = i
      end
    end
  end
  put_all(chosen, states, 0)
  if not head then
    redis.call('SET', HEAD, args[1])
  end
  return other
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
redis.register_function(NAME .. '_replace', replace)
redis.register_function{
  function_name = NAME .. '_resume', callback = resume, flags = {'no-writes'},
}
redis.register_function(NAME .. '_begin_load', begin_load)
redis.register_function(NAME .. '_clear', in_load(clear))
redis.register_function(NAME .. '_put', in_load(put))
redis.register_function(NAME .. '_end_load', in_load(end_load))
