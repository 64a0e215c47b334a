-- tensors: safetensors files. hone.tensors.open(path): names(), read(name);
-- hone.tensors.write(path, { { name, tensor }, ... }).
return require("hone.core").tensors
