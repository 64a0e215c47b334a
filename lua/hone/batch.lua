-- batch: hone.batch():add(ids, weights), sequences packed without padding.
-- weights: one a token, of the prediction of that token; absent: all 1.
return require("hone.core").batch_new
