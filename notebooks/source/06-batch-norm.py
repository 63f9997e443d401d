# %% [markdown]
# # 06 · Batch normalisation
#
# **In one sentence:** batch norm gives every channel the mean and the spread that two learned numbers ask for, and
# because it measures the present mean and spread on the batch itself, every value's output, and its gradient, depend
# on all the others.
#
# *An hour. You need no earlier note, but you should have met gradients and convolutions.* Run every cell first (menu
# Run → Run All Cells), then move the sliders. They work from the keyboard too: Tab to a slider, then the arrow keys.

# %% [markdown]
# ## Look
#
# A question before anything is explained. Batch norm takes the values of one channel in a batch, subtracts their mean
# and divides by their standard deviation. Say the batch holds two values, $3$ and $100$. What comes out? And what
# comes out of $3$ and $4$? **Write down four numbers.**
#
# Now try it. The values below are the brightness of a photo's pixels: the grey hill is all of them, the blue dots are
# one batch, the orange dots what becomes of it. On the right each grey dot is one batch of this size, by its mean and
# its spread. Batch norm also multiplies by γ and adds β, two numbers that the net learns; leave them at one and zero
# for now. **Set the batch size to two and go through the batches. What becomes of the two dots, each time?**

# %%
from fpnlib.notes.batch_norm.explorers import distribution

distribution()

# %% [markdown]
# The two dots land on plus one and minus one, whether they lay far apart or close together (unless they are equal, and
# both become zero). $3$ and $100$ become $-1$ and $1$, and so do $3$ and $4$. All that is left of two values is which
# of them is larger. That is batch norm at its most extreme: what comes out depends on the company.
#
# **Now move γ and β, and let the batch grow.**
#
# - The shape stays. Batch norm moves and stretches the grey hill; it does not turn it into a bell. A negative γ turns
#   it over.
# - The mean of the batch always lands on β, and its spread lands on the size of γ, or very nearly.
# - A small batch says little about all values, so the grey hill jumps about as you go through the batches. A large
#   batch holds it still.
# - Set *scale* to $-5$, so that every x is divided by a hundred thousand. Now ε, which is there so that nothing is
#   divided by zero, is many times the variance, and the spread falls far short of γ.
#
# Your own numbers work too: `distribution(my_activations)` takes any array.
#
# ### Why one wants it, and where it stands
#
# Batch norm mostly stands between a convolution and its ReLU: `Conv2d(…, bias=False)`, `BatchNorm2d`, `ReLU`. The
# convolution needs no bias, since batch norm would subtract it. A channel's values are those of all images of the
# batch at all places of the map.
#
# Nets with batch norm train faster and forgive more. Why is disputed. Ioffe and Szegedy, who invented it, said that a
# layer no longer has to follow the drift of what the layers before it send (*internal covariate shift*). Santurkar et
# al. doubt that and find a smoother loss instead. Bjorck et al. say that it allows larger learning rates, and that
# these bring the gain; that one is put to a test at the end.

# %% [markdown]
# ## Why
#
# The backward pass is worth doing once by hand. Here is the whole of batch norm on four numbers. Blue goes forward,
# dark orange comes back: under each value stands how the loss changes when that value does. You choose the gradient
# that comes from above, at the four outputs.
#
# Only the first output matters to the loss, and yet all four x get a gradient: each of them moves the mean and the
# variance, and through these the first output. **A guess: if all four gradients from above are one, what arrives at
# the x? Try it. Then choose another derivation; the menu holds five mistakes that people make.**

# %%
from fpnlib.notes.batch_norm.explorers import passes

passes()

# %% [markdown]
# Nothing arrives. The four outputs always sum to four times β, whatever the x are, so no x can raise their sum. (On
# the right, *w.r.t.* is short for *with respect to*.)
#
# Now the mistakes.
#
# - **Statistics as constants.** Only the gradient with respect to x is wrong. Nothing looks broken, and a test of
#   outputs alone does not find it.
# - **Mean as a constant, variance as a constant.** One term is missing. Look at the last check: without the variance's
#   term the gradients with respect to x are wrong but still sum to zero, without the mean's they do not.
# - **Running variance biased.** All gradients are right. What is wrong shows only after training, when the layer uses
#   the statistics that it has stored (see *The bookkeeping*).
# - **Variance as E[x²] − E[x]².** On paper it is the same. Add $5000$ to all x, and two large numbers cancel: the
#   seven digits of single precision are gone. Then move x₁: at some places the variance is negative, and its root is
#   not a number.

# %% [markdown]
# ### Forward, line by line
#
# Everything below is for one channel with $n$ values, over the batch and all places of the map. Next to each
# line of algebra is the line of the library that does it; `over` lists the axes that are averaged, and `per_channel`
# gives a vector the shape that fits the maps.
#
# | algebra | code |
# |---|---|
# | $\mu = \frac1n \sum_i x_i$ | `mean = x.mean(over)` |
# | $c_i = x_i - \mu$ | `centered = x - per_channel(mean, x)` |
# | $\sigma^2 = \frac1n \sum_i c_i^2$ | `variance = (centered * centered).mean(over)` |
# | $r = \frac{1}{\sqrt{\sigma^2 + \varepsilon}}$ | `inverse_std = 1 / (variance + eps).sqrt()` |
# | $\hat x_i = c_i \, r$ | `normalized = centered * per_channel(inverse_std, x)` |
# | $y_i = \gamma \hat x_i + \beta$ | `y = per_channel(weight, x) * normalized + per_channel(bias, x)` |
#
# The function's two lines with `rest` subtract the mean a second time. On paper that second mean is zero; on a
# computer a mean of $5000$ has a rounding error, and the second pass removes it.

# %%
from fpnlib.explore import source
from fpnlib.ops import batch_norm_backward, batch_norm_forward

source(batch_norm_forward)

# %% [markdown]
# ### Backward, node by node
#
# Let $g_i = \partial L / \partial y_i$ come from above, and write $d_v$ for $\partial L / \partial v$, as the code
# does. One rule is enough, the chain rule: to get the gradient at a node, look at every node that uses it, multiply
# the gradient there by how much that node changes when ours does, and add up. Go through the graph from the right to
# the left. The code is that of the picture above.
#
# | algebra | why | code |
# |---|---|---|
# | $d_\beta = \sum_i g_i$ | β is in every output | `d_bias = grad.sum()` |
# | $d_\gamma = \sum_i g_i \hat x_i$ | γ too, times $\hat x_i$ | `d_weight = (grad * normalized).sum()` |
# | $d_{\hat x_i} = \gamma g_i$ | $\hat x_i$ is in one output | `d_normalized = weight * grad` |
# | $d_r = \sum_i d_{\hat x_i} c_i$ | $r$ is in every $\hat x_i$ | `d_inverse_std = (d_normalized * centered).sum()` |
# | $d_{\sigma^2} = -\tfrac12 r^3 d_r$ | $r$'s derivative | `d_variance = -0.5 * inverse_std**3 * d_inverse_std` |
# | $d_{c_i} = r d_{\hat x_i}$ | $c_i$ is in $\hat x_i$ … | `d_centered = inverse_std * d_normalized` |
# | $\qquad + \frac2n c_i d_{\sigma^2}$ | … and in $\sigma^2$ | `+ 2 / n * centered * d_variance` |
# | $d_\mu = -\sum_i d_{c_i}$ | μ is in every $c_i$, times minus one | `d_mean = -d_centered.sum()` |
# | $d_{x_i} = d_{c_i} + \frac1n d_\mu$ | $x_i$ is in $c_i$ and in μ | `d_x = d_centered + d_mean / n` |

# %% [markdown]
# ### In fewer terms
#
# Substitute the lines into one another, with $\hat g_i$ short for $d_{\hat x_i}$. First the variance, where $r c_j$ is
# $\hat x_j$:
#
# $$\frac2n c_i \, d_{\sigma^2} = - \frac{r^3 c_i}{n} \sum_j \hat g_j c_j
#   = - r \, \hat x_i \, \frac1n \sum_j \hat g_j \hat x_j$$
#
# Then the mean. The $\hat x_i$ sum to zero, so the variance's term falls out of the sum:
#
# $$\frac1n d_\mu = -\frac1n \sum_j r \hat g_j$$
#
# What remains is short.
#
# $$\frac{\partial L}{\partial x_i} = r \Big( \underbrace{\hat g_i}_{\text{own output}}
#   - \underbrace{\frac1n \sum_j \hat g_j}_{\text{through the mean}}
#   - \underbrace{\hat x_i \, \frac1n \sum_j \hat g_j \hat x_j}_{\text{through the variance}} \Big)$$
#
# | algebra | code |
# |---|---|
# | $\hat g_i = \gamma g_i$ | `dnormalized = grad * per_channel(cache.weight, grad)` |
# | $\frac1n \sum_j \hat g_j$ | `through_mean = per_channel(dnormalized.mean(over), grad)` |
# | $a = \frac1n \sum_j \hat g_j \hat x_j$ | `along = (dnormalized * cache.normalized).mean(over)` |
# | $\hat x_i \, a$ | `through_variance = cache.normalized * per_channel(along, grad)` |
# | the whole | `dx = per_channel(cache.inverse_std, grad) * (dnormalized - through_mean - through_variance)` |
#
# Read it as a projection: from the gradient its part along the vector of ones is removed, and its part along $\hat x$.
# That is no surprise. Moves along these change the mean or the variance, the layer undoes them, and so (up to ε) they
# cannot matter to the loss.
#
# So of the $n$ directions that a gradient may have, two are lost. A gradient in a random direction keeps, on average,
# $(n - 2) / n$ of its squared length. With two values nothing is left: their outputs are stuck at γ above and below β,
# and the layers before learn nothing from this channel. In a convolutional net $n$ counts the places too and runs into
# the thousands, so next to nothing is lost there.
#
# ### All of it in one cell
#
# Batch norm in plain torch, forward and backward, for four numbers. The columns are the gradients by the formula
# above, by autograd, and by the library's function. **Change x, or the gradient that comes from above, and run it
# again.**

# %%
import torch

x = torch.tensor([[1.0], [2.0], [4.0], [9.0]], dtype=torch.float64, requires_grad=True)
upstream = torch.tensor([[1.0], [0.0], [0.0], [0.0]], dtype=torch.float64)
gamma, beta = torch.tensor([[2.0], [0.5]], dtype=torch.float64)
centered = x - x.mean(0)
r = 1 / ((centered**2).mean(0) + 1e-5).sqrt()
normalized = centered * r
y = gamma * normalized + beta  # forward, up to here

g = gamma * upstream  # backward, from here
dx = r * (g - g.mean(0) - normalized * (g * normalized).mean(0))
by_autograd = torch.autograd.grad(y, x, upstream)[0]
by_library = batch_norm_backward(upstream, batch_norm_forward(x, gamma, beta)[1])[0]
print(torch.cat([dx, by_autograd, by_library], 1).detach())

# %% [markdown]
# Each column sums to zero, and so (up to ε) does its product with $\hat x$: those are the two lost directions. And
# here is how much of a random gradient's squared length is left for larger batches.

# %%
from fpnlib.notes.batch_norm.experiments.gradients import surviving_share

for n in (2, 3, 4, 8, 32):
    print(f"{n} values: {surviving_share(n):.2f} of a gradient's squared length gets through")

# %% [markdown]
# ### The length of the weights
#
# Multiply the weights before batch norm by a positive number, and (up to ε) the output stays. So along the weights
# themselves the loss is flat, and the gradient stands at right angles to them: $w \cdot \partial L / \partial w = 0$.
# Two things follow.
#
# - A step at right angles makes the weights *longer*, by Pythagoras. Plain gradient descent can only lengthen them.
# - The longer the weights, the smaller the gradient, and the less a step turns them. What counts is the rate over the
#   squared length, $\eta / \|w\|^2$. If the rate is too large, the weights grow until it no longer is.
#
# Van Laarhoven drew a conclusion: with batch norm, weight decay does not make the net simpler; it keeps this
# *effective* rate from falling.
#
# ### The bookkeeping
#
# At test time there may be one image only, and its answer should not depend on others. So while training the layer
# keeps a running mean and a running variance, and eval mode uses these.
#
# $$\text{running} \leftarrow (1 - m) \, \text{running} + m \, \text{new}$$
#
# Three traps. The *momentum* $m$ is the share of the new; in an optimiser, and in Keras' layer, it is that of the old
# (its $0.99$ is torch's $0.01$). The batch is normalised with the biased variance, the sum of squares over $n$, but
# the running variance is computed from the unbiased one, over $n - 1$. And `momentum=None` does not mean none: it
# means the plain average of all batches.
#
# **Guess: if the true mean drifts away during training, which keeps up best, a momentum of $0.01$, of $0.1$, or the
# plain average? Then let it drift, and make the batches small.**

# %%
from fpnlib.notes.batch_norm.explorers import running_statistics

running_statistics()

# %% [markdown]
# Of these, $0.1$ keeps up. At $0.01$ the running mean trails behind, and the plain average never forgets; a large
# momentum is noisy. With two values per batch the two modes of the layer do quite different things, and no momentum
# fixes this: the batch's own statistics are what is noisy. Store the biased variance, and at two values the running
# one comes out at about half.
#
# The layer adds this bookkeeping to the two functions:

# %%
from fpnlib.models import BatchNorm2d

source(BatchNorm2d.forward, BatchNorm2d._track)

# %% [markdown]
# ### The family
#
# Batch norm averages over the batch. A batch of maps is a block of $N$ images, $C$ channels and
# $H \times W$ places, and one may average over any part of it. Four parts have a name.
#
# | norm | one mean and one deviation for | made for |
# |---|---|---|
# | batch | a channel of all images | classifiers with large batches |
# | layer | all channels of an image | recurrent nets; transformers, there for each token |
# | instance | a channel of an image | painting a photo in another style |
# | group | a group of the channels of an image | detectors, whose batches are small |
#
# So there are two questions, and the library's function has an argument for each: into how many groups are the
# channels divided, and do the images share their statistics?

# %%
from fpnlib.ops import normalize

source(normalize)

# %% [markdown]
# Here is a real batch: what eight photos send into the third batch norm of a net trained on ImageNet, $16$ channels of
# $32 \times 32$ places. A row of the picture is a photo, a column a channel; green is above zero, purple below. Blue
# frames hold what is averaged to normalise the map with the dot. Grey rows are not in the batch.
#
# **First a guess, on paper. When more and more photos come into the batch, with which of the four norms does the dot's
# output change? And with a batch of one, which two norms do the same? Now go through the norms, and drag the dot at
# the lower right from one photo to eight.**

# %%
from fpnlib.notes.batch_norm.explorers import norm_family

norm_family()

# %% [markdown]
# Only one line bends. With batch norm the dot's output depends on who else is in the batch; with the other three it
# does not change, not in a single digit. Take a single photo, and batch norm *is* instance norm: the two lines meet.
# Layer norm and instance norm are the two ends of group norm; set the number of groups to $1$ and to $16$ to see it.
#
# A map of this layer has $1024$ places, so even a batch of one averages plenty of values. Yet the line bends most
# where the batch is small. These values are not a thousand separate draws but places of one photo: when the sky is
# bright, it is bright everywhere. So the number of *images* counts for more than that of values, and that is the
# trouble with detectors, whose photos are so large that only one or two fit on a graphics card.
#
# **Then tick *show what comes out*, and look at what each norm can no longer say.**
#
# - After instance norm every map has mean zero and spread one. If a channel is strong in one photo and weak in
#   another, that is gone. For painting in another style that is right; a classifier may need to know it.
# - After layer norm the channels keep their differences; the photo's own level and contrast are gone.
# - After batch norm the photos keep their differences; the channel's level and spread are gone.
# - Group norm stands between the first two. Channels of one group are still compared with each other.
#
# Can γ and β bring it back? They are two numbers for each channel, the same for all photos. After batch norm they can:
# with γ equal to the batch's deviation and β to its mean the layer does nothing at all. After the other three
# they cannot, since what is gone there differs from photo to photo.
#
# One trap is in the names. In a vision transformer, and in ConvNeXt, *layer norm* averages over the channels of one
# place only, `nn.LayerNorm(C)` on maps with the channels last. It is not the layer norm of this picture, which is
# `nn.GroupNorm(1, C)`.
#
# Now spoil one photo. The next cell multiplies all maps of one neighbour by ten, as if it were overexposed. **Guess
# which of the four lines will look different from those above, and at which batch sizes. Then change the photo and the
# factor.**

# %%
from fpnlib.notes.batch_norm.experiments.family import family_maps

maps = family_maps()
maps[5] *= 10  # change this: the sixth row, china
norm_family(maps)

# %% [markdown]
# From a batch of two on, the dot's output is another one, even of the other sign. The good photos are divided by a
# deviation that is mostly the bad one's, and so are squeezed together. (They look pale before, too, since the colours
# have to reach the bad photo's values.) At one photo, and for the other three norms, not a digit has changed.
#
# ### When the batch is small
#
# What people do:
#
# - **Many images per card:** batch norm.
# - **One or two images per card, training from scratch:** group norm, which never looks at the batch, or
#   *synchronised* batch norm, which averages over the batches of all cards. Adding up the gradients of several small
#   batches does not help: each was normalised by itself.
# - **Fine-tuning a trained net:** *freeze* batch norm. It stays in eval mode throughout, with the statistics of
#   ImageNet, and no output depends on the batch.
# - **A head that all levels of a pyramid share:** a batch norm for each level, as in detectron2's RetinaNet, since
#   their statistics differ; or group norm.
#
# Freezing often goes wrong in one way. Here is the layer that the maps above go into. Its parameters are frozen by
# `requires_grad_(False)`; then it sees a hundred batches of two photos, once in training mode and once in eval mode.

# %%
import copy

from fpnlib.notes.batch_norm.experiments.family import trained_norm

maps = family_maps()
for training in (True, False):
    norm = copy.deepcopy(trained_norm()[0]).requires_grad_(False).train(training)
    apart = (norm(maps[4:8])[0] - norm(maps[4:5])[0]) / norm.weight[:, None, None]
    before = norm.running_mean.clone()
    for step in range(100):
        norm(maps[[step % 8, (step + 3) % 8]])
    moved = (norm.running_mean - before) / norm.running_var.sqrt()
    print(f"training={training}: three neighbours change an output by {apart.abs().max():.1f},")
    print(f"    a hundred batches move the running mean by {moved.abs().max():.2f}")

# %% [markdown]
# (Both are the largest over all channels, in standard deviations.) `requires_grad` is about parameters, and the
# running statistics are none. The forward pass moves them, in training mode, with no loss and no gradient. So a script
# that freezes by `requires_grad` alone still changes its net, and one that calls `net.train()` at each epoch's start
# wakes up whatever it had put into eval mode. The fifth exercise is such a script.
#
# Frozen statistics are those of other photos. Where yours look very different, as X-rays do, measure them again:
# `reset_running_stats()`, then once over your photos in training mode, with `momentum=None` and without learning
# (*precise* batch norm; the same helps after weights have been averaged). Take the largest shuffled batches that fit.
# What is stored is the mean of the variances *within* batches, and a small batch does not see how much photos differ.
# The stored variance over the true one, for the eight photos above:

# %%
from torch import nn

maps = family_maps()
for size in (1, 2, 4, 8):
    norm = nn.BatchNorm2d(16, momentum=None)
    for batch in maps.split(size):
        norm(batch)
    share = norm.running_var / maps.var((0, 2, 3))
    print(
        f"batches of {size}: {share.mean():.2f} on average, {share.min():.2f} in the worst channel"
    )

# %% [markdown]
# ### Folding
#
# In eval mode batch norm is affine, one scale and one shift for each channel, and a convolution is linear. Run one
# after the other, they amount to a single convolution:
#
# $$W' = \frac{\gamma}{\sqrt{\sigma^2 + \varepsilon}} \, W \qquad
#   b' = \frac{\gamma}{\sqrt{\sigma^2 + \varepsilon}} \, (b - \mu) + \beta$$
#
# **Move γ and the running variance, which change the weights and the bias; then β and the running mean, which change
# the bias alone. Then put batch norm into training mode.**

# %%
from fpnlib.notes.batch_norm.explorers import folding

folding()

# %% [markdown]
# In training mode the mean and the variance are those of this photo, and no convolution can know them beforehand.
#
# In a DenseNet or a pre-activation ResNet batch norm comes *before* the convolution, with a ReLU
# between the two, and nothing folds through a ReLU. Even without it, zero padding forbids the fold: the zeros are put
# around the map after batch norm has shifted it, and for the folded convolution they would have to be something else.
# Inside the map the two agree, along its border they do not.
#
# ## Check
#
# The layer beside torch's: outputs, gradients and buffers (the stored statistics), through three batches of training
# and one of eval mode. (`gradcheck` compares a gradient with the effect of tiny steps.)

# %%
from torch import nn

torch.manual_seed(0)
for momentum in (0.1, None):
    for affine in (True, False):
        options = {"momentum": momentum, "affine": affine, "dtype": torch.float64}
        ours, theirs = BatchNorm2d(3, **options), nn.BatchNorm2d(3, **options)
        for step in range(4):
            x = 5000 + torch.randn(2, 3, 4, 4, dtype=torch.float64)
            upstream = torch.randn(2, 3, 4, 4, dtype=torch.float64)
            found = []
            for layer in (ours.train(step < 3), theirs.train(step < 3)):
                leaf = x.clone().requires_grad_()
                y = layer(leaf)
                found.append((y, *torch.autograd.grad(y, [leaf, *layer.parameters()], upstream)))
            torch.testing.assert_close(*found, rtol=1e-8, atol=1e-8)
        torch.testing.assert_close(
            dict(ours.state_dict()), dict(theirs.state_dict()), rtol=1e-12, atol=1e-12
        )
print("outputs, gradients and buffers are equal")
x = torch.randn(4, 2, 2, 2, dtype=torch.float64, requires_grad=True)
print("gradcheck:", torch.autograd.gradcheck(BatchNorm2d(2).double(), x))

# %% [markdown]
# And `normalize`, beside torch's four layers.

# %%
torch.manual_seed(0)
x = 5 + 2 * torch.randn(4, 6, 5, 5, dtype=torch.float64)
for theirs, ours in (
    (nn.BatchNorm2d(6), normalize(x, groups=6, over_batch=True)),
    (nn.LayerNorm((6, 5, 5)), normalize(x, groups=1)),
    (nn.InstanceNorm2d(6), normalize(x, groups=6)),
    (nn.GroupNorm(3, 6), normalize(x, groups=3)),
):
    torch.testing.assert_close(ours.y, theirs.double()(x), rtol=1e-10, atol=1e-10)
    print(type(theirs).__name__, "is equal")

# %% [markdown]
# If the input is bad, the error says why. One value per channel has no spread: in training it would become zero,
# whatever it was.

# %%
for layer, shape in ((BatchNorm2d(3), (1, 3, 1, 1)), (BatchNorm2d(3), (8, 4, 2, 2))):
    try:
        layer(torch.zeros(shape))
    except ValueError as error:
        print(error)

# %% [markdown]
# In single precision and at a mean of $5000$ the two differ. Who is right? We ask torch in double precision.

# %%
x = 5000 + torch.randn(32, 3, 8, 8)
ours, theirs, exact = (
    BatchNorm2d(3)(x),
    nn.BatchNorm2d(3)(x),
    nn.BatchNorm2d(3).double()(x.double()),
)
our_error, their_error = ((y - exact).abs().max().item() for y in (ours, theirs))
print("our error is below a thousandth of a standard deviation:", our_error < 1e-3)
print("and below a tenth of that of torch in single precision:", our_error < 0.1 * their_error)

# %% [markdown]
# ## Measure
#
# Each claim is a saying with a bound, and its *verdict* says whether it holds by that bound; a *control* shows that
# the measurement can tell yes from no. Where a test was changed after a look at a first result, the end of this
# section says so.

# %%
from fpnlib.claims import verdicts

verdicts("BN")

# %% [markdown]
# **The algebra and the code are right.** Four of the claims check that. On <span title="BN-1 n">40</span> random
# batches the gradients agree with autograd's, and gradcheck refuses the derivation with constant statistics. The
# stored statistics agree with torch's; those with a biased variance do not. Of a thousand channels with a mean of
# $5000$ and a variance near one, E[x²] − E[x]² in single precision makes
# <span title="BN-2 squares_negative">390</span> variances negative. Weights before batch norm can be scaled by $0.01$
# to $100$ without ε; with the usual ε the smallest scale changes the output by
# <span title="BN-3 usual_eps_output[0]">0.09</span>, so very short weights do feel their length. And folding is exact,
# but before a zero-padded convolution it is off by <span title="BN-5 before_padded_least_off">0.20</span> or more.
#
# **Do small batches hurt? With batch norm, yes.** Nets of two convolutions see the same $4096$ digits, each at the
# best of six learning rates, over <span title="BN-4 n">16</span> seeds.
#
# | test error | batches of two | batches of $32$ |
# |---|---|---|
# | batch norm | <span title="BN-4 norm_error_2">0.081</span> | <span title="BN-4 norm_error_32">0.049</span> |
# | group norm | <span title="BN-4 group_error_2">0.060</span> | <span title="BN-4 group_error_32">0.087</span> |
# | neither | <span title="BN-4 plain_error_2">0.059</span> | <span title="BN-4 plain_error_32">0.071</span> |
#
# Batches of two take sixteen times as many steps over the same digits. The nets that do not look at their neighbours
# profit from that. With batch norm the error rises all the same, by <span title="BN-4 effect">0.032</span>
# (<span title="BN-4 low">0.024</span> to <span title="BN-4 high">0.041</span>), and the two modes disagree on
# <span title="BN-4 norm_modes_differ_2">17%</span> of the test digits, against
# <span title="BN-4 norm_modes_differ_32">4%</span> at $32$. But mind the last row: in this small net group norm is no
# better than nothing. That it helps deep ones is Wu and He's finding. On ImageNet, at a batch of two, they measured
# ten points of error between the two norms; our bound is a tenth of that.

# %% [markdown]
# ### Rates and initial weights
#
# Ioffe and Szegedy claimed two things in their abstract: much larger learning rates, and less care with the initial
# weights. Here are both. On the right each square is a learning rate and a factor for the initial weights of all
# convolutions; the bluer, the more of the seeds learn there.
#
# **Make the initial weights ten times smaller, then ten times larger. Look where the two maps are blue.**

# %%
from fpnlib.notes.batch_norm.explorers import learning_rates

learning_rates()

# %% [markdown]
# Without batch norm there is an island: one scale of the weights, and one rate or two. With it there is a broad strip.
# Its left edge leans: longer weights want larger rates, though only half as much as $\eta / \|w\|^2$ says. Its right
# edge hardly moves with the scale, perhaps because a rate that is too large lengthens the weights and so mends itself;
# we have not measured the lengths.
#
# A net has *learned* here if its test error is at most $0.2$. For the largest *good* rate we take another measure: the
# largest whose error is at most twice the net's own best.
#
# **Larger rates and freer weights hold, for this small net and a hundred steps.** The largest good rate is larger with
# batch norm by <span title="BN-6 effect">0.6</span> powers of ten (<span title="BN-6 low">0.3</span> to
# <span title="BN-6 high">0.9</span>). Of five scales of initial weights, each half a power of ten from the next, a net
# with batch norm learns at nearly all and one without at one only: He's, made for nets without batch norm. At that
# scale, each at its own best rate, the test error is <span title="BN-6 norm_tuned_2">0.06</span> with batch norm and
# <span title="BN-6 plain_tuned_2">0.14</span> without. (These nets see fewer digits than those above.)
#
# **Are the larger rates the cause? Here mostly not, but narrowly.** Batch norm at the plain net's own rate already
# lowers the error by <span title="BN-7 same_rate_gain">0.070</span>, and going on from there to its own best rate by
# <span title="BN-7 other_rate_gain">0.012</span> more. We had asked that the first exceed the second by $0.02$; the
# interval is <span title="BN-7 low">0.025</span> to <span title="BN-7 high">0.090</span>. On a second kind of
# processor, whose rounding differs, it just misses, so take this as likely. Bjorck et al. speak of deep nets, which
# without batch norm bear only tiny rates; four convolutions are not deep.
#
# **What changed after a look.** In BN-1 and BN-2 the reference was rounded at a mean of $5000$, so it now gets the
# values without the $5000$. BN-4 first stopped at fewer digits and smaller rates, and asked of group norm that its two
# errors be equal. BN-6 first asked for the largest rate below a fixed limit.
#
# ## Try
#
# Replace the three dots by a function, run the cell, and read what the check says.
#
# **First.** The backward pass. Write `f(grad, x, weight, eps)` that returns the gradients with respect to x, the
# weight and the bias. `grad` and `x` are tensors (N, C), `weight` is (C,). Scroll up only when you are stuck.

# %%
from fpnlib.exercises import check

check("batch norm backward", ...)

# %% [markdown]
# **Second.** Write `f(running, values, momentum)` that returns the running variance after one more batch of values, as
# torch stores it.

# %%
check("running variance", ...)

# %% [markdown]
# **Third.** Write `f(w, b, gamma, beta, mean, variance, eps)` that returns weight and bias of the one layer that does
# what $w x + b$ and batch norm in eval mode do. All are numbers.

# %%
check("fold batch norm", ...)

# %% [markdown]
# **Fourth, a prediction.** All weights before a batch norm are multiplied by $s$, and ε is zero. Write `f(s)` that
# returns three factors: by what is the output multiplied? The gradient with respect to these weights? And the angle by
# which one small step of gradient descent turns them? Answer before you read *The length of the weights* again.

# %%
check("longer weights", ...)


# %% [markdown]
# **Fifth, a bug to mend.** This function should freeze batch norm, statistics, γ and β, and make everything else ready
# for training. You will find it in plenty of scripts. What is wrong?


# %%
def freeze(net):
    """Freeze batch norm, and return the net ready for fine-tuning."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval().requires_grad_(False)
    return net.train()


check("freeze batch norm", freeze)

# %% [markdown]
# Stuck? `from fpnlib.exercises import hint, solution`. Then `hint("freeze batch norm")` gives a first hint and
# `hint("freeze batch norm", 2)` the next, and `print(solution("freeze batch norm"))` shows one right answer.
#
# ## Remember
#
# - Batch norm sets a channel's mean and spread by the batch's own, so each value moves all outputs. The gradient
#   therefore loses two directions, one through the mean and one through the variance.
# - An output depends on whatever is averaged. Only batch norm averages over neighbours; so it needs running
#   statistics, has two modes, and lost accuracy with small batches in our small net. Group norm and freezing avoid
#   that.
# - The weights before batch norm have a direction and no length that matters: the length only sets how far a learning
#   rate turns them. In eval mode the layer folds into the convolution before it.

# %% [markdown]
# ## Terms
#
# | English | 中文 | in one line |
# |---|---|---|
# | batch normalisation | 批归一化 | each channel gets mean β and spread γ over the batch |
# | batch size | 批大小 | how many images go through at once |
# | scale and shift, γ and β | 缩放与平移 | the two learned numbers of a channel |
# | running mean, running variance | 滑动平均值、滑动方差 | what eval mode uses in place of the batch's own |
# | biased, unbiased variance | 有偏方差、无偏方差 | the sum of squares over $n$, over $n - 1$ |
# | momentum | 动量 | here: the share of the new batch in the running statistics |
# | training mode, eval mode | 训练模式、推理模式 | by the batch's own statistics; by the running ones |
# | gradient, backward pass | 梯度、反向传播 | how the loss changes with each value, from the last to the first |
# | computation graph | 计算图 | which value is made of which |
# | group, layer, instance normalisation | 组、层、实例归一化 | over one image's channels: in groups, all, one |
# | synchronised batch norm | 跨卡同步批归一化 | batch norm over the batches of all graphics cards |
# | fine-tuning | 微调 | going on with training from a trained net, on other data |
# | frozen batch norm | 冻结的批归一化 | eval mode in training too |
# | internal covariate shift | 内部协变量偏移 | what a layer receives drifts while the layers before it learn |
# | weight decay | 权重衰减 | every step shortens the weights a little |
# | folding | 折叠（融合） | one layer in place of two |
#
# ## References
#
# - S. Ioffe, C. Szegedy, *Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
#   Shift*, ICML 2015: the method, its gradients in section 3, larger learning rates in section 3.3.
# - J. Bjorck et al., *Understanding Batch Normalization*, NeurIPS 2018: that larger rates are the cause of what it
#   gains.
# - S. Santurkar et al., *How Does Batch Normalization Help Optimization?*, NeurIPS 2018: that the loss becomes
#   smoother.
# - T. van Laarhoven, *L2 Regularization versus Batch and Weight Normalization*, 2017: the effective learning rate.
# - Y. Wu, K. He, *Group Normalization*, ECCV 2018: small batches, a way around them, and the four norms as one block.
# - J. L. Ba, J. R. Kiros, G. Hinton, *Layer Normalization*, 2016.
# - D. Ulyanov, A. Vedaldi, V. Lempitsky, *Instance Normalization: The Missing Ingredient for Fast Stylization*, 2016.
# - Y. Wu, J. Johnson, *Rethinking "Batch" in BatchNorm*, 2021: precise statistics, and much else on both modes. We did
#   not read it again.
# - detectron2, the head of `RetinaNet`: a batch norm for each level.
# - C. Peng et al., *MegDet: A Large Mini-Batch Object Detector*, CVPR 2018: batch norm over many graphics cards.
# - B. Jacob et al., *Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference*,
#   CVPR 2018: folding, in section 3.2.
# - PyTorch, `torch.nn.BatchNorm2d`: the options and buffers that ours has.
# - scikit-learn, `load_digits`: the digits, from the UCI repository (E. Alpaydin, C. Kaynak).
# - *Another good page:* F. Kratzert, *Understanding the backward pass through Batch Normalization Layer*, 2016. It
#   goes through the graph node by node, with NumPy code for each. Here the same graph has numbers that can be changed,
#   and its code stands in one cell, beside the shorter form that libraries use.
