#pragma once
#include <dnnl.h>

// From the OpenMP runtime that oneDNN is built with: both speak of the calling thread alone.
extern void omp_set_num_threads(int count);
extern int omp_get_max_threads(void);

// What is used of oneDNN in one way: its interface 2 (Debian 12) describes memory by structures and
// products in two steps, interface 3 (Debian 13) memory by handles and products in one.

// How memory is laid out; given back by vt_layout_free.
typedef struct {
    dnnl_memory_desc_t description;
} vt_layout;

#if DNNL_VERSION_MAJOR >= 3
#define VT_LAYOUT(l) ((l) ? (l)->description : 0)

static inline dnnl_status_t vt_layout_with_strides(
    vt_layout *layout, int axes, const dnnl_dim_t *sizes, dnnl_data_type_t type, const dnnl_dim_t *strides) {
    return dnnl_memory_desc_create_with_strides(&layout->description, axes, sizes, type, strides);
}

static inline dnnl_status_t vt_layout_any(
    vt_layout *layout, int axes, const dnnl_dim_t *sizes, dnnl_data_type_t type) {
    return dnnl_memory_desc_create_with_tag(&layout->description, axes, sizes, type, dnnl_format_tag_any);
}

static inline dnnl_status_t vt_layout_queried(
    vt_layout *layout, const_dnnl_primitive_desc_t primitive, dnnl_query_t what) {
    const_dnnl_memory_desc_t found = dnnl_primitive_desc_query_md(primitive, what, 0);
    return found ? dnnl_memory_desc_clone(&layout->description, found) : dnnl_runtime_error;
}

static inline void vt_layout_free(vt_layout *layout) { dnnl_memory_desc_destroy(layout->description); }

static inline dnnl_status_t vt_post_op(dnnl_post_ops_t list, dnnl_alg_kind_t kind, float alpha) {
    return dnnl_post_ops_append_eltwise(list, kind, alpha, 0);
}

static inline dnnl_status_t vt_inner_product(
    dnnl_primitive_desc_t *made, dnnl_engine_t engine, const vt_layout *from, const vt_layout *weights,
    const vt_layout *bias, const vt_layout *to, const_dnnl_primitive_attr_t attributes) {
    return dnnl_inner_product_forward_primitive_desc_create(
        made, engine, dnnl_forward_inference, from->description, weights->description, VT_LAYOUT(bias),
        to->description, attributes);
}

static inline dnnl_status_t vt_matrix_product(
    dnnl_primitive_desc_t *made, dnnl_engine_t engine, const vt_layout *a, const vt_layout *b,
    const vt_layout *c, const_dnnl_primitive_attr_t attributes) {
    return dnnl_matmul_primitive_desc_create(
        made, engine, a->description, b->description, 0, c->description, attributes);
}

static inline dnnl_status_t vt_convolution(
    dnnl_primitive_desc_t *made, dnnl_engine_t engine, dnnl_prop_kind_t kind, const vt_layout *from,
    const vt_layout *weights, const vt_layout *bias, const vt_layout *to, const dnnl_dim_t *strides,
    const dnnl_dim_t *left, const dnnl_dim_t *right,
    const_dnnl_primitive_attr_t attributes) {
    return dnnl_convolution_forward_primitive_desc_create(
        made, engine, kind, dnnl_convolution_direct, from->description, weights->description,
        VT_LAYOUT(bias), to->description, strides, 0, left, right, attributes);
}

static inline dnnl_status_t vt_convolution_data(
    dnnl_primitive_desc_t *made, dnnl_engine_t engine, const vt_layout *from, const vt_layout *weights,
    const vt_layout *to, const dnnl_dim_t *strides,
    const dnnl_dim_t *left, const dnnl_dim_t *right, const_dnnl_primitive_desc_t forward,
    const_dnnl_primitive_attr_t attributes) {
    return dnnl_convolution_backward_data_primitive_desc_create(
        made, engine, dnnl_convolution_direct, from->description, weights->description, to->description,
        strides, 0, left, right, forward, attributes);
}

static inline dnnl_status_t vt_convolution_weights(
    dnnl_primitive_desc_t *made, dnnl_engine_t engine, const vt_layout *from, const vt_layout *weights,
    const vt_layout *to, const dnnl_dim_t *strides,
    const dnnl_dim_t *left, const dnnl_dim_t *right, const_dnnl_primitive_desc_t forward,
    const_dnnl_primitive_attr_t attributes) {
    return dnnl_convolution_backward_weights_primitive_desc_create(
        made, engine, dnnl_convolution_direct, from->description, weights->description, 0, to->description,
        strides, 0, left, right, forward, attributes);
}
#else
#define VT_LAYOUT(l) ((l) ? &(l)->description : 0)

static inline dnnl_status_t vt_layout_with_strides(
    vt_layout *layout, int axes, const dnnl_dim_t *sizes, dnnl_data_type_t type, const dnnl_dim_t *strides) {
    return dnnl_memory_desc_init_by_strides(&layout->description, axes, sizes, type, strides);
}

static inline dnnl_status_t vt_layout_any(
    vt_layout *layout, int axes, const dnnl_dim_t *sizes, dnnl_data_type_t type) {
    return dnnl_memory_desc_init_by_tag(&layout->description, axes, sizes, type, dnnl_format_tag_any);
}

static inline dnnl_status_t vt_layout_queried(
    vt_layout *layout, const_dnnl_primitive_desc_t primitive, dnnl_query_t what) {
    const dnnl_memory_desc_t *found = dnnl_primitive_desc_query_md(primitive, what, 0);
    if (!found) return dnnl_runtime_error;
    layout->description = *found;
    return dnnl_success;
}

static inline void vt_layout_free(vt_layout *layout) { (void)layout; }

static inline dnnl_status_t vt_post_op(dnnl_post_ops_t list, dnnl_alg_kind_t kind, float alpha) {
    return dnnl_post_ops_append_eltwise(list, 1, kind, alpha, 0);
}

static inline dnnl_status_t vt_inner_product(
    dnnl_primitive_desc_t *made, dnnl_engine_t engine, const vt_layout *from, const vt_layout *weights,
    const vt_layout *bias, const vt_layout *to, const_dnnl_primitive_attr_t attributes) {
    dnnl_inner_product_desc_t operation;
    dnnl_status_t status = dnnl_inner_product_forward_desc_init(
        &operation, dnnl_forward_inference, &from->description, &weights->description, VT_LAYOUT(bias),
        &to->description);
    return status ? status : dnnl_primitive_desc_create(made, &operation, attributes, engine, 0);
}

static inline dnnl_status_t vt_matrix_product(
    dnnl_primitive_desc_t *made, dnnl_engine_t engine, const vt_layout *a, const vt_layout *b,
    const vt_layout *c, const_dnnl_primitive_attr_t attributes) {
    dnnl_matmul_desc_t operation;
    dnnl_status_t status =
        dnnl_matmul_desc_init(&operation, &a->description, &b->description, 0, &c->description);
    return status ? status : dnnl_primitive_desc_create(made, &operation, attributes, engine, 0);
}

static inline dnnl_status_t vt_convolution(
    dnnl_primitive_desc_t *made, dnnl_engine_t engine, dnnl_prop_kind_t kind, const vt_layout *from,
    const vt_layout *weights, const vt_layout *bias, const vt_layout *to, const dnnl_dim_t *strides,
    const dnnl_dim_t *left, const dnnl_dim_t *right,
    const_dnnl_primitive_attr_t attributes) {
    dnnl_convolution_desc_t operation;
    dnnl_status_t status = dnnl_convolution_forward_desc_init(
        &operation, kind, dnnl_convolution_direct, &from->description, &weights->description,
        VT_LAYOUT(bias), &to->description, strides, left, right);
    return status ? status : dnnl_primitive_desc_create(made, &operation, attributes, engine, 0);
}

static inline dnnl_status_t vt_convolution_data(
    dnnl_primitive_desc_t *made, dnnl_engine_t engine, const vt_layout *from, const vt_layout *weights,
    const vt_layout *to, const dnnl_dim_t *strides,
    const dnnl_dim_t *left, const dnnl_dim_t *right, const_dnnl_primitive_desc_t forward,
    const_dnnl_primitive_attr_t attributes) {
    dnnl_convolution_desc_t operation;
    dnnl_status_t status = dnnl_convolution_backward_data_desc_init(
        &operation, dnnl_convolution_direct, &from->description, &weights->description,
        &to->description, strides, left, right);
    return status ? status : dnnl_primitive_desc_create(made, &operation, attributes, engine, forward);
}

static inline dnnl_status_t vt_convolution_weights(
    dnnl_primitive_desc_t *made, dnnl_engine_t engine, const vt_layout *from, const vt_layout *weights,
    const vt_layout *to, const dnnl_dim_t *strides,
    const dnnl_dim_t *left, const dnnl_dim_t *right, const_dnnl_primitive_desc_t forward,
    const_dnnl_primitive_attr_t attributes) {
    dnnl_convolution_desc_t operation;
    dnnl_status_t status = dnnl_convolution_backward_weights_desc_init(
        &operation, dnnl_convolution_direct, &from->description, &weights->description, 0,
        &to->description, strides, left, right);
    return status ? status : dnnl_primitive_desc_create(made, &operation, attributes, engine, forward);
}
#endif

static inline size_t vt_layout_size(const vt_layout *layout) {
    return dnnl_memory_desc_get_size(VT_LAYOUT(layout));
}

static inline dnnl_status_t vt_memory(
    dnnl_memory_t *memory, const vt_layout *layout, dnnl_engine_t engine, void *pointer) {
    return dnnl_memory_create(memory, VT_LAYOUT(layout), engine, pointer);
}

static inline dnnl_status_t vt_reorder(
    dnnl_primitive_desc_t *made, dnnl_engine_t engine, const vt_layout *from, const vt_layout *to) {
    return dnnl_reorder_primitive_desc_create(made, VT_LAYOUT(from), engine, VT_LAYOUT(to), engine, 0);
}
