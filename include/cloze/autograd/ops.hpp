// Every differentiable operation and loss.
#pragma once

#include <cloze/autograd/attention.hpp>
#include <cloze/autograd/dropout.hpp>
#include <cloze/autograd/elementwise.hpp>
#include <cloze/autograd/embedding.hpp>
#include <cloze/autograd/gather.hpp>
#include <cloze/autograd/layer_norm.hpp>
#include <cloze/autograd/linear.hpp>
#include <cloze/autograd/linear_cross_entropy.hpp>
#include <cloze/autograd/losses.hpp>
#include <cloze/autograd/reduce.hpp>
#include <cloze/autograd/shape_ops.hpp>
#include <cloze/autograd/softmax.hpp>
