-- Tables of judgements from Lua: loading, checking, aggregating, auditing, training rows, reports.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal, near, fails = s.test, s.equal, s.near, s.fails
local hone = require "hone"

-- Five annotators label 40 items; eve answers at random, and lives in the south.
local function csv()
  local lines, state = { "question,worker,label,region,prompt" }, 7
  for i = 1, 40 do
    for _, who in ipairs { "ann", "bob", "cid", "dan", "eve" } do
      state = (state * 1103515245 + 12345) % 2147483648
      local truth = i % 3 == 0 and "good" or "bad"
      local other = truth == "good" and "bad" or "good"
      local wrong = who == "eve" and state // 65536 % 2 == 0 or who ~= "eve"
        and state // 65536 % 20 == 0
      lines[#lines + 1] = ("q%d,%s,%s,%s,prompt %d"):format(i, who, wrong and other or truth,
        (who == "ann" or who == "bob" or who == "cid") and "north" or "south", i)
    end
  end
  s.write("labels.csv", table.concat(lines, "\n"))
  return hone.judgements.load("labels.csv", {
    item = "question", annotator = "worker", value = "label", attributes = { "region" },
    item_attributes = { "prompt" }, labels = { "bad", "good" } })
end

test("a_file_becomes_a_table_with_names_attributes_and_columns", function()
  local j = csv()
  equal({ #j, j.items, j.annotators, j.level, j.dropped }, { 200, 40, 5, "nominal", 0 })
  equal(j:names "annotators", { "ann", "bob", "cid", "dan", "eve" })
  equal(j:names "labels", { "bad", "good" })
  equal(j:attributes "annotators"[5], { region = "south" })
  equal(j:attributes "items"[2], { prompt = "prompt 2" })
  equal({ j:column "annotator"[1], j:column "item"[6], j:column "weight" }, { 1, 2, nil })
end)

test("weights_of_annotators_items_and_rows_multiply", function()
  local j = csv():weigh { annotators = { eve = 0.5 }, items = { q1 = 0.5 }, rows = { [1] = 0 } }
  local w = j:column "weight"
  equal({ w[1], w[2], w[5], w[6], w[10] }, { 0.0, 0.5, 0.25, 1.0, 0.5 })
  equal(#j:weigh { annotators = { eve = 0 }, drop = true }, 159)
  s.golden("lua-judgements-row", fails(j.weigh, j, { rows = { [201] = 1 } }))
end)

test("pairs_rankings_and_regions_are_added", function()
  local rankings = hone.judgements { level = "ranking" }
  rankings:add_ranking("q", "ann", { "x", { "y", "z" } })
  local pairs = rankings:pairs()
  equal({ #pairs, pairs.level, pairs:names "options" }, { 3, "pair", { "x", "y", "z" } })
  pairs:add_pair(nil, "bob", "y", "x", "tie")
  equal(pairs:names "items", { "q", "x | y" })
  local battles = hone.judgements({ { annotator = 1, left = "x", right = "y", value = "model_b" } },
    { level = "pair", item = false, labels = { "model_a", "model_b", "tie", "tie (bothbad)" } })
  equal({ battles:names "items"[1], battles:column "label"[1] }, { "x | y", 2 })
  s.golden("lua-judgements-item", fails(hone.judgements, { {} }, { item = false }))
  local regions = hone.judgements { level = "region" }
  regions:add_region("q", "ann", "name", { 0, 4 })
  equal(#regions, 1)
  s.golden("lua-judgements-region", fails(regions.add_region, regions, "q", "ann", "name",
    { 4, 0 }))
  s.golden("lua-judgements-ranking", fails(rankings.add_ranking, rankings, "q", "ann", { "x", 3 }))
end)

-- A check of a test's own: who answers unlike most people.
local function flags(who, more)
  return { annotators = { { annotator = who, score = 0.5, flagged = true,
    reason = "answers at random" } },
           passed = false, summary = "one of five", table.unpack(more or {}) }
end

test("flagged_annotators_are_left_out_weighed_down_or_kept_as_told", function()
  local checked = require "hone.checked"
  local plugin = setmetatable({ kind = "quality", name = "randomness",
    check = function() return flags "eve" end },
                              { __name = "hone.plugin" })
  local j = csv()
  local dropped = checked.new({ [""] = j }, { plugin })
  equal({ #dropped.kept, dropped.passed, dropped.removed.before, dropped.removed.after },
    { 160, false, 200, 160 })
  equal(dropped.removed.annotators[1].reasons, { "randomness: answers at random" })
  equal(dropped.removed.annotators[1].judgements, 40)
  local was, now = dropped.removed.agreement.before, dropped.removed.agreement.after
  assert(now.krippendorff > was.krippendorff)
  s.golden("lua-checked-summary", (tostring(dropped):gsub("[%d.]+ before, [%d.]+ after",
    "X before, Y after")))
  local weighed = checked.new({ [""] = j }, { plugin, flagged = 0.5 })
  equal({ #weighed.kept, weighed.kept:column "weight"[5] }, { 200, 0.5 })
  local kept = checked.new({ [""] = j }, { plugin, flagged = "keep" })
  equal({ #kept.kept, kept.removed.after }, { 200, 200 })
  s.golden("lua-check-flagged", fails(checked.new, { [""] = j }, { plugin, flagged = "remove" }))
  s.golden("lua-check-option", fails(checked.new, { [""] = j }, { plugin, flaged = "drop" }))
  s.golden("lua-check-plugin", fails(j.check, j, { 7 }))
  local all = setmetatable({ kind = "quality", name = "all", check = function()
    local list = {}
    for i, who in ipairs { "ann", "bob", "cid", "dan", "eve" } do list[i] = { annotator = who,
      flagged = true } end
    return { annotators = list }
  end }, { __name = "hone.plugin" })
  s.golden("lua-check-all", fails(checked.new, { [""] = j }, { all }))
end)

test("rows_that_a_check_names_are_left_out", function()
  local plugin = setmetatable({ kind = "quality", name = "rows",
    check = function() return { rows = { 0, 5 } } end },
                              { __name = "hone.plugin" })
  local j = csv()
  local checked = require "hone.checked".new({ [""] = j }, { plugin })
  equal({ #checked.kept, checked.removed.flagged_rows }, { 198, 2 })
  equal(checked.kept:column "annotator"[1], 2)
end)

test("aggregation_gives_items_annotators_and_figures_by_name", function()
  local labels = csv():aggregate(hone.quality.dawid_skene {})
  local q3 = labels:item "q3"
  equal(q3.label, "good")
  near(q3.posterior.good + q3.posterior.bad, 1, 1e-12)
  assert(labels:annotator "eve".skill < labels:annotator "ann".skill)
  equal(labels:item "q99", nil)
  equal(#labels, 40)
  assert(type(labels.figures.iterations) == "number")
  equal(labels:column("items", "label")[1], "bad")
  equal(labels:column("items", "nothing"), nil)
  local seen = 0
  for i, item in labels:each "items" do
    seen = seen + 1
    equal(item.name, "q" .. i)
  end
  equal(seen, 40)
end)

test("several_tables_are_checked_and_aggregated_by_name", function()
  local numbers = hone.judgements { level = "interval" }
  for i = 1, 5 do
    for _, who in ipairs { "ann", "bob" } do numbers:add("q" .. i, who,
      i + (who == "ann" and 0.5 or 0)) end
  end
  local answers = hone.judgements.set { concise = numbers, right = csv() }
  local checked = answers:check { hone.quality.agreement {} }
  local labels = checked:aggregate { right = hone.quality.majority {} }
  equal(labels.right:item "q3".label, "good")
  equal(labels:names(), { "right" })
  s.golden("lua-aggregate-name", fails(checked.aggregate, checked,
    { rihgt = hone.quality.majority {} }))
  s.golden("lua-aggregate-one", fails(checked.aggregate, checked, hone.quality.majority {}))
  s.golden("lua-aggregate-plugin", fails(checked.aggregate, checked, { right = 3 }))
end)

test("labels_become_rows_with_soft_labels_and_weights", function()
  local labels = csv():aggregate(hone.quality.majority {})
  local rows, report = labels:rows()
  equal({ #rows, report.rows, report.without_label }, { 40, 40, 0 })
  equal({ rows[3].item, rows[3].label, rows[3].prompt }, { "q3", "good", "prompt 3" })
  assert(rows[3].weight > 0 and rows[3].posterior.good > 0.5)
  local sure, left = labels:rows { min_confidence = 0.99 }
  equal(#sure + left.unsure, 40)
end)

test("pairs_become_preferences", function()
  local j = hone.judgements { level = "pair" }
  for i = 1, 3 do
    local item = "q" .. i
    for k, who in ipairs { "ann", "bob", "cid", "dan" } do
      local outcome = i == 1 and "left" or i == 2 and "right" or (k <= 2 and "left" or "right")
      j:add_pair(item, who, "x", "y", outcome)
    end
    if i < 3 then j:describe_item(item, { prompt = "p" .. i, a = "short", b = "long" }) end
  end
  local labels = j:aggregate(hone.quality.bradley_terry {})
  local rows, report = labels:rows { left = "a", right = "b" }
  equal({ #rows, report.without_text }, { 2, 1 })
  equal({ rows[1].prompt, rows[1].chosen, rows[1].rejected }, { "p1", "short", "long" })
  assert(rows[1].margin > 0.5 and rows[1].posterior > 0.75, rows[1].margin)
  equal({ rows[2].chosen, rows[2].rejected }, { "long", "short" })
  s.golden("lua-rows-sides", fails(labels.rows, labels, { left = "a" }))
end)

test("disagreement_has_a_cause_and_a_person_decides", function()
  local j = hone.judgements { level = "nominal" }
  local function votes(item, north, south)
    for i, label in ipairs(north) do j:add(item, "n" .. i, label) end
    for i, label in ipairs(south) do j:add(item, "s" .. i, label) end
  end
  votes("groups", { "d", "d", "d" }, { "e", "e", "e" })
  votes("slip", { "a", "a", "a" }, { "a", "a", "b" })
  votes("open", { "a", "b", "c" }, { "b", "c", "a" })
  votes("agreed", { "a", "a", "a" }, { "a", "a", "a" })
  for i = 1, 3 do
    j:describe_annotator("n" .. i, { region = "north" })
    j:describe_annotator("s" .. i, { region = "south" })
  end
  local labels = j:aggregate(hone.quality.majority {})
  local records = labels:adjudicate { group = "region", sure = 0.8 }
  local causes = {}
  for _, r in ipairs(records) do causes[r.item] = r.cause end
  equal(causes, { groups = "legitimate", slip = "mistake", open = "ambiguous" })
  local rows, report = labels:rows { causes = records }
  local by = {}
  for _, r in ipairs(rows) do by[r.item] = r end
  equal(by.groups.posterior, { d = 0.5, e = 0.5 })
  equal({ by.groups.cause, by.slip.label }, { "legitimate", "a" })
  for _, r in ipairs(records) do
    if r.item == "open" then r:decide { cause = "guideline", by = "lead",
      note = "say what c is" } end
    if r.item == "slip" then r:decide { label = "b", by = "lead" } end
  end
  rows, report = labels:rows { causes = records }
  equal({ #rows, report.guideline }, { 3, 1 })
  for _, r in ipairs(rows) do
    if r.item == "slip" then equal({ r.label, r.posterior }, { "b", { b = 1.0 } }) end
  end
  equal(records[1].proposed.cause, "ambiguous")
  s.golden("lua-adjudicate-attribute", fails(labels.adjudicate, labels, { group = "regoin" }))
  s.golden("lua-adjudicate-label", fails(records[1].decide, records[1],
    { label = "z", by = "lead" }))
  s.golden("lua-adjudicate-by", fails(records[1].decide, records[1], { label = "a" }))
end)

-- 30 pairs of texts, of which the longer is preferred by those of the south.
local function preferences()
  local j = hone.judgements { level = "nominal" }
  for i = 1, 30 do
    local item, long = "q" .. i, i % 2 == 0 and "1" or "2"
    local short = long == "1" and "2" or "1"
    for k, who in ipairs { "ann", "bob", "cid" } do j:add(item, who, (i + k) % 7 == 0 and short
      or long) end
    j:describe_item(item, { response1 = long == "1" and "a long answer" or "short",
                            response2 = long == "2" and "a long answer" or "short" })
  end
  for who, region in pairs { ann = "north", bob = "south", cid = "south" } do
    j:describe_annotator(who, { region = region })
  end
  return j
end

test("an_audit_corrects_p_and_mitigation_reports_before_and_after", function()
  local labels = preferences():aggregate(hone.quality.majority {})
  local audit = hone.bias.audit { labels, hone.bias.length {} }
  local found = audit.findings[1]
  equal({ found.detector, found.holds, found.corrected == found.p }, { "length", true, true })
  assert(tostring(audit):find("length: effect 0.5", 1, true), tostring(audit))
  local better, report = audit:mitigate { reweigh = "region" }
  equal(#report.tables[""].reweighed.pool, 2)
  near(report.tables[""].reweighed.effective, 90 * 90 / (30 * 1.5 ^ 2 + 60 * 0.75 ^ 2) , 1e-9)
  equal({ report.effects[1].detector, report.effects[1].before }, { "length", 0.5 })
  equal(better.judgements:column "weight"[1], 1.5)
  local weighed = audit:mitigate { drop = "flagged" }
  assert(next(weighed.weights), "the detector's own weights")
  local rows = weighed:rows { left = "response1", right = "response2", outcomes = { "1", "2" } }
  equal(#rows, 30)
  local target = select(2, audit:mitigate { reweigh = { attribute = "region",
    target = { north = 1, south = 2 } } })
  near(target.tables[""].reweighed.pool[1].factor, 1, 1e-12)
  local other = hone.judgements { level = "nominal" }
  for i = 1, 4 do other:add("q", "a" .. i, i < 3 and "1" or "2") end
  other:describe_item("q", { response1 = "one", response2 = "a second" })
  local both = hone.bias.audit { hone.judgements.set { first = preferences(), second = other },
    hone.bias.length {} }
  local _, reports = both:mitigate { reweigh = "region" }
  equal({ reports.tables.first.reweighed ~= nil, reports.tables.second.reweighed }, { true, nil })
  s.golden("lua-audit-nothing", fails(hone.bias.audit, { labels }))
  s.golden("lua-audit-first", fails(hone.bias.audit, { 3, hone.bias.length {} }))
  s.golden("lua-audit-attribute", fails(audit.mitigate, audit, { reweigh = "regoin" }))
  s.golden("lua-audit-target", fails(audit.mitigate, audit,
    { reweigh = { attribute = "region", target = { north = 1 } } }))
  s.golden("lua-audit-mitigate", fails(audit.mitigate, audit, {}))
end)

test("holm_multiplies_the_smallest_p_by_the_number_of_tests", function()
  local made = {}
  for i, p in ipairs { 0.01, 0.04, 0.03 } do
    made[i] = setmetatable({ kind = "bias", name = "b" .. i,
      detect = function() return { effect = 1, p = p } end },
                           { __name = "hone.plugin" })
  end
  local audit = hone.bias.audit { preferences(), made[1], made[2], made[3] }
  near(audit.findings[1].corrected, 0.03, 1e-15)
  near(audit.findings[2].corrected, 0.06, 1e-15)
  near(audit.findings[3].corrected, 0.06, 1e-15)
  equal({ audit.findings[1].holds, audit.findings[2].holds }, { true, false })
end)

-- Two rounds of the loop: pairs with regions, times, orders, gold; ratings of the same items.
local function two_rounds()
  local state, rows, ratings = 7, {}, hone.judgements { level = "ordinal" }
  local function random()
    state = (state * 1103515245 + 12345) % 2147483648
    return state / 2147483648
  end
  for i = 1, 120 do
    local better = i % 2 == 0 and "left" or "right"
    local worse = better == "left" and "right" or "left"
    for k = 1, 4 do
      local fast = k == 4
      local turned = k == 2
      local said = random() < (fast and 0.5 or 0.95) and better or worse
      rows[#rows + 1] = { item = "p" .. i, annotator = fast and "w9" or ("w%d"):format((i + k) % 5),
        left = turned and "b" or "a", right = turned and "a" or "b",
          seconds = (fast and 0.5 or 9) + random(),
        value = turned and (said == "left" and "right" or "left") or said, order = 1 + (i + k) % 2 }
    end
    for k = 1, 2 do ratings:add("p" .. i, "w" .. (i + k) % 5,
      tostring(i % 3 + (random() < 0.2 and 1 or 0))) end
  end
  local pairs = hone.judgements(rows, { level = "pair", time = "seconds", order = "order" })
  for i = 1, 120 do
    pairs:describe_item("p" .. i, { prompt = "why", response1 = i % 4 < 2 and "short"
      or "a long answer",
      response2 = i % 4 < 2 and "a long answer" or "short", gold = i <= 40
        and (i % 2 == 0 and "a" or "b") or nil })
  end
  for k, who in ipairs(pairs:names "annotators") do
    pairs:describe_annotator(who, { region = k % 2 == 0 and "north" or "south" })
  end
  return hone.judgements.set { preference = pairs, concise = ratings }
end

test("the_trust_stage_of_the_whole_loop_runs", function()
  local checked = two_rounds():check { hone.quality.gold { floor = 0.7 },
    hone.quality.speed { floor = 2.0 },
                                       hone.quality.agreement { floor = 0.4 },
                                         hone.quality.drift {} }
  local part = checked.parts.preference
  equal({ #part.removed.annotators, part.removed.annotators[1].annotator }, { 1, "w9" })
  equal(part.removed.before - part.removed.after, 120)
  local labels = checked:aggregate { preference = hone.quality.bradley_terry { annotators = true },
                                     concise = hone.quality.dawid_skene {} }
  local audit = hone.bias.audit { labels, hone.bias.position {}, hone.bias.length {},
                                  hone.bias.group_gap { attribute = "region",
                                    positive = { "left" } } }
  local better, report = audit:mitigate { drop = "flagged", reweigh = "region" }
  equal(better:names(), { "concise", "preference" })
  assert(report.tables.preference.reweighed.effective <= 360)
  -- Sides are those of an item's first row, also where a row shows them turned.
  local length = audit.findings[4].result
  equal({ audit.findings[4].detector, audit.findings[4].table, length.n },
    { "length", "preference", 120 })
  near(length.share, 0.5, 0.05)
  local rows = better.preference:rows { left = "response1", right = "response2" }
  equal(#rows, 120)
  for i = 1, 120 do
    local first = (i % 4 < 2) and "short" or "a long answer"
    local wins = i % 2 == 0 and first or (first == "short" and "a long answer" or "short")
    if rows[i].margin > 0.9 then equal(rows[i].chosen, wins) end
  end
  audit:report("loop.html", { checked = checked })
  assert(s.read "loop.html":find("gold: score of annotators", 1, true))
end)

test("the_report_is_one_page_of_well_formed_figures", function()
  local j = preferences()
  local checked = j:check { hone.quality.agreement {} }
  local labels = checked:aggregate(hone.quality.majority {})
  local audit = hone.bias.audit { labels, hone.bias.length {} }
  audit:mitigate { reweigh = "region" }
  audit:report("trust.html", { checked = checked, causes = labels:adjudicate {} })
  local page = s.read "trust.html"
  for _, heading in ipairs { "Agreement", "Checks", "Consensus", "Disagreement", "Gaps",
    "Position and length",
                             "The pool by region", "What was left out" } do
    assert(page:find(heading, 1, true), heading)
  end
  assert(not page:find "%f[%a]nan%f[%A]" and not page:find("http", 1, true), "no NaN, no links")
  local _, open = page:gsub("<svg", "")
  local _, closed = page:gsub("</svg>", "")
  equal(open, closed)
  labels:report "labels.html"
  assert(s.read "labels.html":find("skill of annotators", 1, true))
end)

test("pandalm_popquorn_and_compas_give_the_known_figures", function()
  local out, err, status = s.hone(("run %s/examples/pandalm.lua data=%s judge=%s"):format(
    os.getenv "HONE_SOURCE",
    s.data "preference/pandalm/testset-v1.json", s.data "preference/pandalm/judge_gpt35.json"))
  equal({ status, err }, { 0, "" })
  s.golden("examples-pandalm", out)
  out, err, status = s.hone(("run %s/examples/popquorn.lua data=%s"):format(os.getenv "HONE_SOURCE",
    s.data "crowd/popquorn_offensiveness.csv"))
  equal({ status, err }, { 0, "" })
  s.golden("examples-popquorn", out)
  out, err, status = s.hone(("run %s/examples/compas.lua data=%s"):format(os.getenv "HONE_SOURCE",
    s.data "bias/compas.csv"))
  equal({ status, err }, { 0, "" })
  for _, line in ipairs { "all                2681  1282  1216  2035    32.35 %          37.40 %",
                          "African-American    990   805   532  1369",
                            "Caucasian          1139   349   461   505" } do
    assert(out:find(line, 1, true), out)
  end
end)

test("stories260k_is_scored_on_crows_pairs_and_winobias", function()
  local model = s.data "models/stories260k"
  local out, _, status = s.hone(("run %s/examples/crows_pairs.lua model=%s data=%s"):format(
    os.getenv "HONE_SOURCE",
    model, s.data "bias/crows_pairs.csv"))
  equal(status, 0)
  -- 603 of 1508, as transformers' log-likelihoods have it.
  assert(out:find("39.99 % of 1508 pairs", 1, true), out)
  out, _, status = s.hone(("run %s/examples/winobias.lua model=%s data=%s"):format(
    os.getenv "HONE_SOURCE", model,
    s.data "bias/winobias"))
  equal(status, 0)
  assert(out:find("accuracy on 1584 sentences (0 without", 1, true), out)
end)

if s.failed then os.exit(1, true) end
