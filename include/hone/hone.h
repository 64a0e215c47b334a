/* hone.h -- everything. */
#ifndef HONE_H
#define HONE_H

#include <hone/advantage.h>
#include <hone/base.h>
#include <hone/batch.h>
#include <hone/bias.h>
#include <hone/calibrate.h>
#include <hone/consensus.h>
#include <hone/context.h>
#include <hone/data.h>
#include <hone/digest.h>
#include <hone/generate.h>
#include <hone/inference.h>
#include <hone/json.h>
#include <hone/judgement.h>
#include <hone/loss.h>
#include <hone/machine.h>
#include <hone/metric.h>
#include <hone/model.h>
#include <hone/near.h>
#include <hone/ops.h>
#include <hone/optimizer.h>
#include <hone/option.h>
#include <hone/param.h>
#include <hone/plugin.h>
#include <hone/quality.h>
#include <hone/random.h>
#include <hone/reward.h>
#include <hone/safetensors.h>
#include <hone/sample.h>
#include <hone/select.h>
#include <hone/statistics.h>
#include <hone/store.h>
#include <hone/strategy.h>
#include <hone/tensor.h>
#include <hone/tokenizer.h>

#endif
