-- SPDX-License-Identifier: GPL-2.0-or-later
-- wrk.lua - asks for the files it is named, in turn, and compares every byte that comes back
--
-- wrk ... -s wrk.lua URL -- FILE...: files of different lengths, of which URL/NAME is to be the
-- same. It ends with a line "result" and numbers. Each thread has an interpreter of its own.

local threads = {}
local paths, bytes = {}, {}
local asked = 0

answers, wrong = 0, 0		-- of this thread; read by done(), which runs outside of it

function setup(thread)
	table.insert(threads, thread)
end

function init(args)
	for _, path in ipairs(args) do
		local file = assert(io.open(path, "rb"))
		local content = file:read("*a")

		file:close()
		assert(not bytes[#content], "two files of one length")
		bytes[#content] = content
		table.insert(paths, wrk.path .. path:match("[^/]+$"))
	end
end

function request()
	asked = asked + 1
	return wrk.format(nil, paths[asked % #paths + 1])
end

function response(status, _, body)
	answers = answers + 1
	if status ~= 200 or body ~= bytes[#body] then
		wrong = wrong + 1
	end
end

function done(summary)
	local all, bad, errors = 0, 0, summary.errors

	for _, thread in ipairs(threads) do
		all = all + thread:get("answers")
		bad = bad + thread:get("wrong")
	end
	print(string.format("result %d %d %d %d %d %d %d", all, bad, errors.connect, errors.read,
			    errors.write, errors.status, errors.timeout))
end
