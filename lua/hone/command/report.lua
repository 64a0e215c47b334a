-- hone report STORE: trends of judging and of rounds on one page.
local core = require "hone.core"
local files = require "hone.files"
local text = require "hone.text"

local function words(found)
  for _, t in ipairs(found.tasks) do
    local alphas = {}
    for i, ask in ipairs(t.asks) do
      alphas[i] = ("%s alpha %s"):format(ask.name, ask.krippendorff and
        ("%.2f"):format(ask.krippendorff) or "unknown")
    end
    print(("%s: %d of %d items, %s by %s, %.1f hours%s%s"):format(t.name, t.finished, t.items,
      text.count(t.judgements, "judgement"), text.count(t.annotators, "annotator"), t.hours,
      t.cost and (", cost %.2f"):format(t.cost) or "",
      #alphas > 0 and "; " .. table.concat(alphas, ", ") or ""))
  end
  for _, one in ipairs(found.series) do
    print(("rounds %s: %s, %s"):format(one.name, text.count(#one.rounds, "round"), one.status))
  end
end

return {
  summary = "Trends of judging and of rounds, and where to improve: one page.",
  words = { "STORE" },
  flags = {
    { "runs", "string", "FOLDER", doc = "folder of runs (the settings': runs)" },
    { "out", "string", "FILE", doc = "the page (report.html)" },
    { "wage", "number", "N", doc = "of an hour: costs are told" },
    { "title", "string", "TEXT", doc = "of the page" },
  },
  run = function(o, hone)
    if not files.exists(o.store) then core.fail(("%s: there is no such store"):format(o.store)) end
    local store <close> = hone.store(o.store)
    local path = o.out or "report.html"
    local found = require "hone.report_rounds".write(path, store, { runs = o.runs, wage = o.wage,
                                                                    title = o.title })
    if o.json then print(core.json.encode(found)) else
      words(found)
      print(path)
    end
    return 0
  end,
}
