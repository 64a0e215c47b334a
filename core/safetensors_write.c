/* safetensors_write.c -- writing safetensors files: the header padded with
 * blanks to a multiple of 8 bytes, then the tensors in the order given. */
#include "file.h"
#include "safetensors.h"

#include <jansson.h>
#include <string.h>

static json_t *write_entry(const hone_tensor *tensor, uint64_t *offset)
{
    uint64_t size = (uint64_t)hone_tensor_count(tensor) *
                    hone_dtype_size(hone_tensor_dtype(tensor));
    json_t *shape = json_array(), *entry;

    for (int i = 0; i < hone_tensor_dims(tensor); i++)
        json_array_append_new(shape, json_integer(hone_tensor_extent(tensor, i)));
    if (json_array_size(shape) != (size_t)hone_tensor_dims(tensor)) {
        json_decref(shape);
        return NULL;
    }
    entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", hone_stored_name(hone_tensor_dtype(tensor)),
                      "shape", shape, "data_offsets", (json_int_t)*offset,
                      (json_int_t)(*offset + size));
    *offset += size;
    return entry;
}

static int write_metadata(json_t *header, const hone_json *metadata, hone_error *err)
{
    const char *key;
    json_t *value, *copy;

    if (!metadata)
        return HONE_OK;
    if (!json_is_object(metadata))
        return hone_fail(err, HONE_EINVAL, "metadata is no object but %s",
                         hone_json_type(metadata));
    json_object_foreach((json_t *)(uintptr_t)metadata, key, value) {
        if (!json_is_string(value))
            return hone_fail(err, HONE_EINVAL, "metadata '%s' is no text but %s", key,
                             hone_json_type(value));
    }
    copy = hone_json_copy(metadata, true);
    if (!copy || json_object_set_new(header, "__metadata__", copy) < 0)
        return hone_fail_memory(err, "a header");
    return HONE_OK;
}

static int write_header(json_t **out, const hone_tensors_item *items, size_t count,
                        const hone_json *metadata, hone_error *err)
{
    json_t *header = json_object();
    uint64_t offset = 0;
    int code = header ? write_metadata(header, metadata, err) : hone_fail_memory(err, "a header");

    for (size_t i = 0; i < count && code == HONE_OK; i++) {
        if (!items[i].tensor)
            code = hone_fail(err, HONE_EINVAL, "tensor '%s' is NULL", items[i].name);
        else if (json_object_get(header, items[i].name) ||
                 strcmp(items[i].name, "__metadata__") == 0)
            code = hone_fail(err, HONE_EINVAL, "the name '%s' is taken", items[i].name);
        else if (json_object_set_new(header, items[i].name,
                                     write_entry(items[i].tensor, &offset)) < 0)
            code = hone_fail_memory(err, "a header");
    }
    if (code != HONE_OK) {
        json_decref(header);
        header = NULL;
    }
    *out = header;
    return code;
}

static int write_all(hone_file *file, const char *header, const hone_tensors_item *items,
                     size_t count, hone_error *err)
{
    size_t length = strlen(header), padded = (length + 7) / 8 * 8;
    unsigned char prefix[8];
    int code;

    for (int i = 0; i < 8; i++)
        prefix[i] = (unsigned char)((uint64_t)padded >> (8 * i));
    code = hone_file_write(file, prefix, sizeof prefix, err);
    if (code == HONE_OK)
        code = hone_file_write(file, header, length, err);
    if (code == HONE_OK)
        code = hone_file_write(file, "       ", padded - length, err);
    for (size_t i = 0; i < count && code == HONE_OK; i++) {
        const hone_tensor *t = items[i].tensor;
        code = hone_file_write(file, hone_tensor_bytes(t), (size_t)hone_tensor_count(t) *
                               hone_dtype_size(hone_tensor_dtype(t)), err);
    }
    return code == HONE_OK ? hone_file_commit(file, err) : code;
}

int hone_tensors_write(const char *path, const hone_tensors_item *items, size_t count,
                       const hone_json *metadata, hone_error *err)
{
    hone_file file = { .fd = -1 };
    json_t *json = NULL;
    char *header = NULL;
    int code = write_header(&json, items, count, metadata, err);

    if (code != HONE_OK) {
        hone_fail_in(err, "%s", path);
        return code;
    }
    header = hone_json_text(json);
    code = header ? hone_file_create(&file, path, err) : hone_fail_memory(err, path);
    if (code == HONE_OK)
        code = write_all(&file, header, items, count, err);
    hone_file_abandon(&file);
    hone_free(header);
    json_decref(json);
    return code;
}
