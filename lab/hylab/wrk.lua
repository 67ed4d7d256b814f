-- SPDX-License-Identifier: GPL-2.0-or-later
-- wrk.lua - what wrk measured, as one line of JSON: counts, and every latency with how often it was

function done(summary, latency)
	local errors = summary.errors
	local pairs_seen = {}

	for i = 1, #latency do
		local us, count = latency(i)

		table.insert(pairs_seen, string.format("[%d,%d]", us, count))
	end
	print(string.format('{"answers":%d,"bytes":%d,"us":%d,"errors":%d,"latency_us":[%s]}',
			    summary.requests, summary.bytes, summary.duration,
			    errors.connect + errors.read + errors.write + errors.status +
			    errors.timeout, table.concat(pairs_seen, ",")))
end
