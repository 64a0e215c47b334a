-- batch: hone.batch():add(ids, weights), sequences packed without padding.
-- weights: one a token, of the prediction of that token, or a number for all; absent: 1.
-- batch:branch(segment, ids, weights) goes on from a segment, batch:add_end(ids) is judged whole.
return require("hone.core").batch_new
