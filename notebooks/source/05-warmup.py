# %% [markdown]
# # 05 · Learning-rate warm-up
#
# **In one sentence:** a learning rate that is too large for an untrained net can ruin it in its first steps, and for
# good, so let the rate begin small and rise; that the loss is at first too sharply curved for the full rate explains a
# part of this, and not all.
#
# *An hour to read, two if you play with everything. You need no earlier note;
# [batch normalisation](06-batch-norm.ipynb) is the other remedy you will meet.* Run every cell first (menu Run → Run
# All Cells), then move the sliders. They work from the keyboard too: Tab to a slider, then the arrow keys.

# %% [markdown]
# ## Look
#
# Sixteen small nets learn handwritten digits. Each has eight linear layers, six of them in three blocks that add their
# input to their output (*skips*). The nets differ only in their initial weights and in the order of the data. The
# learning rate is large, and falls to zero along a cosine. They are trained here, all at once, in a few seconds.
#
# Warm-up lets the rate climb over the first eighty steps; after that both kinds have the same rate. **So a guess
# first, on paper: will the nets that went wrong without warm-up catch up, once the rates are the same? And will a
# small rate need warm-up too? Now choose *both*, and wait for the blue lines, the same nets with warm-up. Then try the
# other learning rates.**

# %%
from fpnlib.notes.warmup.explorers import live_training

live_training()

# %% [markdown]
# The dotted line is the loss of a net that finds all ten digits equally likely. Some orange nets end there, one on top
# of the other. Most of the rest end with a far larger loss than the blue ones. Yet every orange net has a blue twin
# with the same initial weights, the same data in the same order and as many steps, and from step eighty on the two
# have the same learning rate. What went wrong went wrong early, and was never mended.
#
# With the smallest of the three rates no net fails, with or without warm-up.
#
# ### The schedule
#
# Warm-up is a factor: small at step zero, one from a given step on. The learning rate is that factor times whatever
# decay you would use anyway. Here it is, a linear warm-up times a cosine, beside the library's scheduler and two of
# torch's in a chain. The numbers in the first line are yours to change; the picture below starts from them.

# %%
import math

import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import ChainedScheduler, CosineAnnealingLR, LinearLR

from fpnlib.schedules import WarmupLR

peak, warmup, start, total = 0.4, 40, 0.1, 200  # change this


def rate(step):
    climb = start + (1 - start) * min(step / warmup, 1)
    return peak * climb * (1 + math.cos(math.pi * step / total)) / 2


first, second = (SGD([torch.zeros(1, requires_grad=True)], lr=peak) for _ in range(2))
ours = WarmupLR(first, warmup, "linear", start, after=CosineAnnealingLR(first, total))
chain = ChainedScheduler(
    [LinearLR(second, start, total_iters=warmup), CosineAnnealingLR(second, total)]
)
for step in range(total):
    if step % 40 == 0:
        rates = rate(step), ours.get_last_lr()[0], chain.get_last_lr()[0]
        print(f"step {step:3}:", *(f"{one:.4f}" for one in rates))
    for one in (first, second, ours, chain):
        one.step()

# %% [markdown]
# Now put one together by hand. The shaded area is the sum of all learning rates; the code under the picture makes the
# schedule.
#
# **Make the warm-up longer. Watch the orange dot, where the warm-up is over, and the area. Then tick the box.**

# %%
from fpnlib.notes.warmup.explorers import schedule_designer

schedule_designer(warmup=warmup, start=start, rate=peak)

# %% [markdown]
# Three things to see.
#
# - **Whose clock?** Without the tick the decay's clock runs from step zero, and when the warm-up is over the decay is
#   already on its way. detectron2 does it so. With the tick the decay waits for the end of the warm-up, so the full
#   rate is reached whatever the decay is, and what no longer fits into the steps is cut off. timm calls that
#   `warmup_prefix`.
# - **The area changes.** Without the tick it shrinks: the rates add up to less. If such a run ends better, was it the
#   warm-up, or would a lower rate have done the same? Below we test that.
# - **Four ways.** *None* has no warm-up, *constant* stays low and then jumps, *linear* climbs by equal differences,
#   *exponential* by equal ratios.
#
# ### The map
#
# Now many runs: two optimisers, six learning rates, four lengths of warm-up, sixteen seeds in each cell. A seed fixes
# a net's initial weights and the order of its data. SGD has momentum, and a warm-up begins at a hundredth of the rate.
# We say that a run has *failed* if its mean loss over the last twenty steps is above eighty-five per cent of that of a
# guess, or if the loss is no longer a number (it has *diverged*).
#
# **Go through the lengths of warm-up at this large rate. Then do the same for Adam.**

# %%
from fpnlib.notes.warmup.explorers import rate_map

rate_map()

# %% [markdown]
# The failures sit at the upper right: large rate, little warm-up. On the left there are hardly any, and there warm-up
# only costs. Choose *Adam* and *final loss*, and compare the top of the first column with its bottom: at the smallest
# rate, eighty steps of warm-up more than double the final loss.
#
# (Seeds differ from picture to picture in this note, so the counts differ a little too.)
#
# ### Related schedules
#
# Warm-up is one shape among many. Here are six:
#
# - *constant*;
# - *steps*, which multiplies the rate by three tenths every sixty steps;
# - *cosine*;
# - *warm-up, cosine*, the one that we have used so far;
# - *one-cycle*, which climbs for three tenths of the steps and then falls to next to nothing;
# - *RAdam's*, the factor that a relative of Adam puts on its steps, before a cosine; more of it below.
#
# The number in each square is how many of sixteen nets fail. **At the rate $0.1$, the third column, hardly any net
# fails. So guess: does the shape still matter there? Go through the six, and watch where the curves end. Then look at
# the larger rates: what do the shapes that kill few nets have in common?**

# %%
from fpnlib.notes.warmup.explorers import schedule_kin

schedule_kin()

# %% [markdown]
# At $0.1$ the shape does matter: with warm-up and with one-cycle the nets end at about a quarter of the cosine's loss.
#
# At the larger rates the three shapes that begin at the full rate kill about as many nets each. It does not matter how
# a schedule ends if the net died at the start. RAdam's shape kills fewest, but look how low it stays: it is mostly a
# smaller rate, and at $0.1$ it gains nothing.
#
# The library has each shape as a function of the step. Here is one-cycle by hand, beside it and beside torch:

# %%
from torch.optim.lr_scheduler import OneCycleLR

from fpnlib.schedules import one_cycle_factor

total, share, low, end = 200, 0.3, 1 / 25, 1 / 250000  # torch's defaults; change them


def one_cycle(step):
    top = share * total - 1
    climbs = step <= top
    done = step / top if climbs else (step - top) / (total - 1 - top)
    first, last = (low, 1) if climbs else (1, end)
    return last + (first - last) * (1 + math.cos(math.pi * done)) / 2


optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=1)
cycle = OneCycleLR(optimizer, 1, total, pct_start=share, cycle_momentum=False)
for step in range(total):
    if step in (0, 30, 59, 100, total - 1):
        ours = one_cycle_factor(step, total, peak_at=share, start_factor=low, end_factor=end)
        print(f"{step:3}: {one_cycle(step):.6f} {ours:.6f} {cycle.get_last_lr()[0]:.6f}")
    optimizer.step()
    if step < total - 1:
        cycle.step()

# %% [markdown]
# torch's one-cycle also lowers the momentum while the rate climbs, and raises it again. We leave the momentum alone,
# here and in the picture.

# %% [markdown]
# ## Why
#
# ### Too sharp for the step
#
# Take the simplest loss, a parabola $f(x) = \tfrac{\lambda}{2} x^2$. Its second derivative $\lambda$ says how sharply
# it is curved. One step of gradient descent with rate $\eta$ turns $x$ into
#
# $$x - \eta \lambda x = (1 - \eta \lambda) \, x$$
#
# If $\eta \lambda$ is above 2, the bracket is below $-1$: each step jumps across the minimum and lands higher than it
# began. So the limit is $\lambda = 2 / \eta$.
#
# Momentum $\beta$ moves the limit. The velocity is $s \leftarrow \beta s + \lambda x$, and a step leads to
# $x \leftarrow x - \eta s$. Put together, $x_{t+1} = (1 + \beta - \eta \lambda) \, x_t - \beta x_{t-1}$. Try
# $x_t = z^t$, which shrinks as long as $|z| < 1$:
#
# $$z^2 - (1 + \beta - \eta \lambda) \, z + \beta = 0$$
#
# As $\eta$ grows, the first $z$ to reach size one is $z = -1$. Put it in, and the equation says
# $\eta \lambda = 2 (1 + \beta)$. So gradient descent diverges on the parabola if
#
# $$\lambda > \frac{2 (1 + \beta)}{\eta}$$
#
# The loss of a net is no parabola: its curvature changes from place to place. The simplest loss of that kind has two
# weights, $\tfrac12 (uv - 1)^2$. It is least along a whole curve, $uv = 1$, a valley that is sharp at its ends and
# flat in the middle, where both weights are one. The right panel follows the sharpness along the path, divided by the
# limit.
#
# **The rate is $0.2$, a little too fast for the sharp place where descent begins. Now a guess: with half that rate,
# will it come to rest in a flatter place or in a sharper one? Try it. Then go up, to $0.26$, $0.3$ and $0.5$.**

# %%
from fpnlib.notes.warmup.explorers import catapult

catapult()

# %% [markdown]
# Half the rate ends in the *sharper* place. A slow descent walks straight down and stays where it lands. Steps a
# little too large bounce from wall to wall, and each bounce carries the weights along the valley, to where it is flat
# enough for their rate. Lewkowycz et al. call that a *catapult*. If you go much too fast, the valley does not save you
# either.
#
# So this toy argues against warm-up: here it is overshooting that finds flat ground. But a net has a second way, which
# the toy lacks. **Its sharpness falls at a small rate too, with no overshooting.** That cannot be worked out on paper,
# so the next pictures measure it.
#
# The second derivatives of a net's loss form a matrix, the Hessian, and its largest eigenvalue is called the
# **sharpness**.

# %% [markdown]
# The Hessian of our net has more than seventy million entries and is never built. Power iteration needs only its
# product with a vector, a gradient of a gradient:

# %%
from fpnlib.explore import source
from fpnlib.notes.warmup.experiments.curvature import hessian_vector_product

source(hessian_vector_product)

# %% [markdown]
# Multiply a vector by the Hessian again and again, and it turns towards the eigenvector of the largest eigenvalue.
# Here is what that finds along training, for the loss over $128$ of the training digits. The dashed line is the limit
# that the learning rate of each step sets. A cross marks where a net diverges.
#
# **It opens with 80 steps of warm-up. Choose 0. Then tick batch norm.**

# %%
from fpnlib.notes.warmup.explorers import sharpness

sharpness()

# %% [markdown]
# With 80 steps of warm-up and the largest rate, the limit begins high above the sharpness. Both fall, the two meet,
# and until the warm-up is over they stay within a small factor of each other, several nets above the limit. Cohen et
# al. describe such hovering, in nets trained with all data at once, as the *edge of stability*. One of the eight nets
# (its cross lies just under the orange dot) is lost all the same.
#
# Without warm-up all eight begin above the limit. Those that end at a sharpness near one tenth are dead: the ReLUs
# before the last layer are silent for every digit, and only the last layer's biases still learn.
#
# With batch norm all eight begin much flatter, not far above the limit, and even without warm-up none is lost.

# %% [markdown]
# What if the rate does not climb, but jumps? Below, each of twenty-four nets is warmed up until some step and then
# takes the full rate, $0.4$, at once. Each mark is a net, a dot if it survives and a cross if it fails. Its height is
# its sharpness when it jumps, over the limit of the full rate.
#
# **If sharpness is the whole story, nets that jump from below the line should survive. Do they? Jump later and later.
# Then choose the small rate, which does not climb at all.**

# %%
from fpnlib.notes.warmup.explorers import jump_to_full_rate

jump_to_full_rate()

# %% [markdown]
# All nets start far above the limit, and by step ten they have come down to it, whether the rate climbs or not. Yet a
# jump at step ten kills nearly all of them, those below the line too. Being flat at one moment is not enough; the
# numbers are under *Measure*. (At step eighty the ramp has the full rate already, and nothing jumps.)
#
# ### How high may it go? A range test
#
# Here is a cheap way to look for a good rate, the *range test*. Begin with a tiny one, let it climb by a tenth at
# every step, and plot the loss against it. Take a rate somewhat below the one where the loss turns.

# %%
import numpy as np

from fpnlib.notes.warmup.experiments.limits import TESTED, turning
from fpnlib.notes.warmup.experiments.nets import cross_entropy, digits
from fpnlib.notes.warmup.experiments.recorded_kin import tested
from fpnlib.training import minibatches

torch.manual_seed(100)
task, losses = digits(), []
net = task.build(False)()
batches = minibatches(task.inputs, task.targets, size=64, seed=100)
optimizer = SGD(net.parameters(), lr=TESTED[0])  # 0.0001, and up to 10
for step, rate in enumerate(TESTED):
    optimizer.param_groups[0]["lr"] = rate
    optimizer.zero_grad()
    loss = cross_entropy(net, *batches(step))
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
lowest = min(range(2, 118), key=lambda k: np.log(losses[k - 2 : k + 3]).mean())
print(f"the loss turns at a rate of {TESTED[lowest]:.3f}")
print(f"in the picture below       {TESTED[turning(tested(False)[0])[0]]:.3f}")

# %% [markdown]
# Does the loss turn at the limit, which for plain SGD is $2 / \lambda$? The lower left of the picture shows the rate
# over two limits, that of the start and that of the moment.
#
# The right side asks about *large batches*. The linear scaling rule says: with $k$ times the batch, take $k$ times the
# rate. One large step sees the same examples as $k$ small ones.
#
# **Two guesses. Nets with batch norm start flatter: will their loss turn at the limit of the start? And on the right,
# with sixteen small steps in place of eight, will the curves part at the same rate, at twice that, or at half? Then go
# through the nets, and change $k$.**

# %%
from fpnlib.notes.warmup.explorers import range_test

range_test()

# %% [markdown]
# On the left, the limit of the start (dotted) is crossed early and nothing happens, with batch norm or without. The
# lower panel shows why. While the rate is small the sharpness falls, so the limit moves away from the rate, and plain
# SGD turns only after the rate has caught up with the limit *of that moment*. (With momentum it turns a little
# before.) So a range test does not tell you the rate to begin with. It tells you the rate that a net can take after
# some eighty small steps: **a range test is itself a warm-up**. If you use its answer, warm up too.
#
# On the right, the curves fall together while the large step stays below its limit, and part somewhere above it,
# hardly depending on $k$: it is the large step that has to keep the limit. For this trouble Goyal et al. introduced
# their warm-up. A batch thirty-two times as large asks for a rate thirty-two times as large, and an untrained net
# cannot take it.
#
# What does the rule keep equal? The rate per example, $\eta / b$, and with it two things:
#
# - **The way.** Small steps add up to $k \cdot \eta$ times the gradient, and so does the large one.
# - **The noise.** The mean gradient of $b$ examples has a variance of $\sigma^2 / b$. After $k$ steps it has added up
#   to $k \cdot \eta^2 \sigma^2 / b$. One step with $k \, b$ examples gives $(k \eta)^2 \sigma^2 / (k b)$, which is the
#   same.
#
# Both assume a gradient that stays the same along the way. In our nets it does not: at the limit the two ends already
# lie well apart, and only the loss agrees.
#
# ### Adam's first step
#
# Adam divides $m$, a running mean of gradients, by the root of $v$, a running mean of their squares (its two
# *moments*). So the limit above is not Adam's; its own one takes that division into account, and we have not measured
# it. People explain Adam's need of warm-up by its first steps. At step one both moments come from a single batch and
# are corrected for it, so the quotient is the sign of the gradient: plus or minus one. Every parameter moves by the
# whole learning rate, however small its gradient. One step of torch's Adam shows it:

# %%
import torch
from torch.nn.utils import parameters_to_vector

from fpnlib.notes.warmup.experiments.nets import cross_entropy, digits

torch.manual_seed(0)
task, rate = digits(), 0.1
net = task.build(False)()
adam = torch.optim.Adam(net.parameters(), lr=rate)
before = parameters_to_vector(net.parameters()).detach().clone()
cross_entropy(net, task.inputs[:64], task.targets[:64]).backward()
gradient = torch.cat([p.grad.flatten() for p in net.parameters()]).abs()
adam.step()
moved = (parameters_to_vector(net.parameters()).detach() - before).abs() / rate
some = gradient > 1e-5
print(f"gradients from {gradient[some].min():.1e} to {gradient[some].max():.1e}")
print(f"steps     from {moved[some].min():.3f} to {moved[some].max():.3f} learning rates")

# %% [markdown]
# Later, gradients of unlike sign cancel in $m$ but not in $v$, and steps get shorter. Liu et al. say that at first $v$
# rests on too few batches and varies too much; Ma and Yarats, that the first steps are too long. To measure both, keep
# the weights still and show Adam eight streams of batches. How long is the step it would take, and how alike are the
# steps of two streams?

# %%
from fpnlib.notes.warmup.experiments.why import ADAM_STEPS, first_updates

size, alike = first_updates(0)
for step in ADAM_STEPS:
    print(
        f"after {step:2} batches: {size[step - 1].item():.2f} learning rates long, "
        f"cosine between streams {alike[step - 1].item():.2f}"
    )

# %% [markdown]
# The first step is the longest, and its direction is partly chance. If that is why Adam needs warm-up, it must help to
# let the moments fill while the weights stand still, and only then to take the full rate. Twenty-four nets, and the
# share that fails, by when the full rate comes:

# %%
from fpnlib.notes.warmup.experiments.tables import numbers

steps = {f"step {step}": step for step in (0, 1, 2, 5, 10, 20, 40, 80)}
numbers(
    "WU-5",
    steps,
    {
        "after a ramp": "ramp_failed_{}",
        "after a small rate": "small_failed_{}",
        "after standing still": "still_failed_{}",
    },
)

# %% [markdown]
# Standing still saves no net. After eighty batches of it <span title="WU-5 still_failed_80">100%</span> fail, and
# after a ramp of eighty steps <span title="WU-5 ramp_failed_80">0%</span>. In these nets the moments are not the
# reason. Liu et al. found the contrary in a transformer, where two thousand steps that fed only $v$ were enough. Nor
# is time alone the reason here: after eighty steps at a thirty-second of the rate most nets fail as well. A middle
# rate we did not try.

# %% [markdown]
# RAdam acts on the first explanation. An average over $\rho$ gradients varies less the larger $\rho$ is, and $v$ rests
# on few at first. So RAdam shortens Adam's step by a factor that follows from $\rho$ alone, whatever the gradients
# are. While $\rho$ is too small to say anything, it takes a plain momentum step and does not divide by $\sqrt{v}$ at
# all. Here all gradients are equal to a thousandth, so that Adam's own step is one learning rate long:

# %%
from torch.optim import RAdam

from fpnlib.schedules import rectification

beta, weight = 0.999, torch.zeros(1, dtype=torch.float64, requires_grad=True)
radam = RAdam([weight], lr=1.0, betas=(0.9, beta), eps=1e-12)
full = 2 / (1 - beta) - 1  # what the average rests on in the end
for step in range(1, 201):
    before = weight.item()
    weight.grad = torch.full_like(weight, 0.001)
    radam.step()
    rho = full - 2 * step * beta**step / (1 - beta**step)
    square = (rho - 4) * (rho - 2) * full / ((full - 4) * (full - 2) * rho)
    factor = math.sqrt(square) if rho > 5 else 0
    if step in (1, 5, 6, 10, 50, 200):
        print(
            f"step {step:3} rests on {rho:6.2f}: {before - weight.item():.4f} learning rates, "
            f"factor {factor:.4f}, the library's {rectification(step):.4f}"
        )

# %% [markdown]
# Five steps of momentum; then the factor begins, near zero, and after two hundred steps it has not come to a third. So
# RAdam *is* a warm-up, as Ma and Yarats point out, of a shape that nobody has to choose, and a long one.
#
# ### Where transformers use it
#
# Most transformers are trained with a relative of Adam and a warm-up. One reason lies in where the layer norms stand.
# In the first design each comes *after* the sum of a block and its skip (*post-LN*). Xiong et al. prove that then, in
# an untrained net, the gradients near the output are large; warm-up tames them. With the layer norm at the entry of
# the block (*pre-LN*) gradients are well-behaved from the start, and they could leave warm-up out. Large models today
# are mostly pre-LN, and most keep a short warm-up all the same. We have not trained a transformer here.
#
# ### The factor, and the scheduler around it

# %%
from fpnlib.schedules import WarmupLR, warmup_factor

source(warmup_factor)

# %% [markdown]
# The scheduler takes any decay of torch. There is one trap in it. Many of torch's schedulers compute the next rate
# from the present one, which the warm-up has made smaller. So the decay must get its own rate back before it takes a
# step:

# %%
source(WarmupLR.step, WarmupLR.get_lr)

# %% [markdown]
# Chaining schedulers is a common source of trouble. Users of torch's `SequentialLR` have reported a wrong rate when a
# milestone is zero (torch issue `#185872`), and a wrong one when training is taken up again with `last_epoch` (issue
# `#162591`). For timm someone reported that the rate drops when the warm-up ends (issue `#1242`), which is the
# question of the clock. The cells below check the clock and the resuming on our scheduler.

# %% [markdown]
# ## Check
#
# The rates against torch's own. `LinearLR` times cosine is what `ChainedScheduler` gives, and `SequentialLR` gives what
# `delay` gives, in the version of torch that this book uses.

# %%
import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import ChainedScheduler, CosineAnnealingLR, LinearLR, SequentialLR

from fpnlib.notes.warmup.experiments.factor import rates_of


def optimizer():
    return SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)


ours, theirs = optimizer(), optimizer()
mine = rates_of(WarmupLR(ours, 5, "linear", 0.1, after=CosineAnnealingLR(ours, 20)), 20)
chained = [LinearLR(theirs, 0.1, total_iters=5), CosineAnnealingLR(theirs, 20)]
torch.testing.assert_close(mine, rates_of(ChainedScheduler(chained), 20))

ours, theirs = optimizer(), optimizer()
waits = rates_of(
    WarmupLR(ours, 5, "linear", 0.1, after=CosineAnnealingLR(ours, 20), delay=True), 20
)
parts = [LinearLR(theirs, 0.1, total_iters=5), CosineAnnealingLR(theirs, 20)]
torch.testing.assert_close(waits, rates_of(SequentialLR(theirs, parts, [5]), 20))
print("steps 3 to 7, the decay's clock from step 0:", [round(rate, 3) for rate in mine[3:8]])
print("steps 3 to 7, the decay waits:              ", [round(rate, 3) for rate in waits[3:8]])

# %% [markdown]
# Stop after seven steps, write the state to a file, go on in a new scheduler. The rates are the same to the last bit.

# %%
import io


def scheduler():
    fresh = optimizer()
    return WarmupLR(fresh, 5, "linear", 0.1, after=CosineAnnealingLR(fresh, 20))


whole = rates_of(scheduler(), 20)
begun, file = scheduler(), io.BytesIO()
before = rates_of(begun, 7)
torch.save(begun.state_dict(), file)
file.seek(0)
resumed = scheduler()
resumed.load_state_dict(torch.load(file, weights_only=True))
assert before + rates_of(resumed, 13) == whole
print("equal")

# %% [markdown]
# And the sharpness against the exact Hessian, for a net small enough to have one.

# %%
from torch import nn
from torch.func import functional_call, grad, jacrev, stack_module_state

from fpnlib.notes.warmup.experiments import curvature
from fpnlib.notes.warmup.experiments.nets import cross_entropy

torch.manual_seed(0)
net = nn.Linear(4, 3, bias=False).double()
batch = torch.randn(30, 4, dtype=torch.float64), torch.arange(30) % 3


def loss(weights):
    return cross_entropy(
        lambda x: functional_call(net, {"weight": weights.view(3, 4)}, (x,)), *batch
    )


exact = torch.linalg.eigvalsh(jacrev(grad(loss))(net.weight.detach().flatten()))[-1]
found = curvature.sharpness(net, stack_module_state([net])[0], cross_entropy, *batch)
print(f"exact {exact.item():.3f}, by power iteration {found.item():.3f}")

# %% [markdown]
# ## Measure
#
# Each claim is a saying with a bound, and its *verdict* says whether it holds by that bound; a *control* shows that
# the measurement can tell yes from no. Most bounds were fixed before measuring; the exceptions stand at the end. The
# net, the rates and the lengths were chosen in trials with other seeds.

# %%
from fpnlib.claims import verdicts

verdicts("WU")

# %% [markdown]
# **How to read the numbers.** We count ratios in *doublings*: one is twice as much, two are four times, minus one is
# half. In brackets stands the interval.
#
# **How large is large enough to matter?** A share of failed runs above $0.13$: at that chance five runs all succeed
# about half of the time, so one would hardly notice less. An error on the test digits of $1.1$ points, what warm-up
# gains in Goyal et al.'s table. A final loss of $0.36$ doublings, what SGD loses by taking half the best rate. A
# sharpness of one doubling, since rates are tried in steps of two.
#
# ### What it is
#
# At <span title="WU-1 n">12245</span> steps our rates equal torch's; some sixty of them stand in detectron2's and
# timm's own tests. No decay is a step early or late. This checks our code, since a definition cannot fail.
#
# ### Large rates need it
#
# **Yes, without batch norm, and even when each way may choose its own best rate. With batch norm none of it is
# shown at these rates.** Share of failed runs at the three larger rates; the last row is a second data set, objects
# cut out of the book's drawn scenes:

# %%
nets = {"SGD": "sgd", "Adam": "adam", "SGD, batch norm": "sgd_bn", "Adam, batch norm": "adam_bn"}
numbers(
    "WU-2",
    nets | {"SGD, objects": "scenes"},
    {
        "no warm-up": "{}_none_failed",
        "80 steps": "{}_longest_failed",
        "saved": "{}_large ±",
        "no warm-up, equal area": "{}_area_failed",
    },
)

# %% [markdown]
# The last column has no warm-up, but a rate so much lower that all rates add up to the same. A part of the gain, then,
# is only the lower mean rate. With Adam warm-up saves <span title="WU-2 adam_over_area">29%</span> of the runs beyond
# that (<span title="WU-2 adam_over_area_low">20%</span> to <span title="WU-2 adam_over_area_high">38%</span>). With
# SGD the interval is too wide to say: <span title="WU-2 sgd_over_area_low">2%</span> to
# <span title="WU-2 sgd_over_area_high">36%</span>.
#
# Nobody has to train at a rate that kills, so a practitioner asks something else: **each way at its own best rate, is
# warm-up still better?** The best rates were chosen with sixteen other seeds; with warm-up the best one is twice as
# large in each of the four rows. Final loss, and what warm-up gains in doublings:

# %%
numbers(
    "WU-2",
    nets,
    {
        "no warm-up": "{}_best_warmup0_loss",
        "80 steps": "{}_best_warmup80_loss",
        "gain": "{}_best_gain ±:.2f",
    },
    form=".4f",
)

# %% [markdown]
# Without batch norm warm-up wins. With batch norm no gain is shown, and with Adam a gain that matters is ruled out.
#
# *How long?* And *what does it cost?* Here are the failures at a large rate and the final losses at the smallest one:

# %%
lengths = {"no warm-up": 0, "10 steps": 10, "40 steps": 40, "80 steps": 80}
numbers(
    "WU-2",
    lengths,
    {
        "SGD, second largest rate: failed": "sgd_rate4_warmup{}_failed",
        "SGD, smallest rate: final loss": "sgd_rate0_warmup{}_loss:.3f",
        "Adam, smallest rate: final loss": "adam_rate0_warmup{}_loss:.3f",
    },
)

# %% [markdown]
# At the large rate ten steps do nothing for SGD, and eighty save most nets. At the smallest rate any warm-up costs.
# With Adam a longer one costs more; with SGD ten steps cost more than forty or eighty, and we do not know why.
#
# ### Batch norm and higher rates
#
# **Batch norm only moves the rate at which warm-up is needed.** The same nets with batch norm, at four times the three
# larger rates; share of failed runs:

# %%
numbers(
    "WU-6",
    {
        "SGD, rate 0.8": "sgd_rate2",
        "SGD, rate 1.6": "sgd_rate3",
        "SGD, rate 3.2": "sgd_rate4",
        "Adam, rate 0.2": "adam_rate2",
        "Adam, rate 0.4": "adam_rate3",
        "Adam, rate 0.8": "adam_rate4",
    },
    {"no warm-up": "{}_warmup0_failed", "80 steps": "{}_warmup80_failed"},
)

# %% [markdown]
# What counts as large depends on the net. With Adam warm-up saves <span title="WU-6 adam_higher">65%</span> of these
# runs. With SGD it saves <span title="WU-6 sgd_higher">23%</span>, and the lower end of the interval,
# <span title="WU-6 sgd_higher_low">10%</span>, is below our bound, because at the largest rate nothing helps.
#
# ### Gradual or constant?
#
# **With a short warm-up a constant low start is worse than none, as Goyal et al. found. With a long one both ways
# help, and which is better depends on the rate.** Goyal et al. train ResNet-50 on ImageNet with a rate of $3.2$, and
# compare no warm-up, five of ninety epochs at a constant $0.1$, and a ramp from there. *Short* is as theirs: batch
# norm, eleven of two hundred steps, from a thirty-second of the rate. *Long* is this note's way: no batch norm, eighty
# steps, from a tenth. Error on the test digits, thirty-two seeds, and below it their table:

# %%
numbers(
    "WU-3",
    {
        "short, batch norm, rate 0.4": ("short", "0.4"),
        "short, batch norm, rate 0.8": ("short", "0.8"),
        "long, rate 0.2": ("long", "0.2"),
        "long, rate 0.4": ("long", "0.4"),
    },
    {"none": "{}_none_{} ±", "constant": "{}_constant_{} ±", "ramp": "{}_linear_{} ±"},
    form=".1%",
)

# %%
goyal = {"small batches": 23.60, "none": 24.84, "constant": 25.88, "ramp": 23.74}
print("Goyal et al., table 1, top-1 error in per cent:", goyal)
parts("WU-3")

# %% [markdown]
# In the short setting the constant start gets <span title="WU-3 short_constant_less_none">11%</span> more of the
# digits wrong than none. Most of that comes from the higher rate, where most digits are wrong whatever one does. At
# the lower rate the ramp gets <span title="WU-3 short_none_less_linear_0.4">1.0%</span> fewer wrong than none; at the
# higher one eleven steps are too few to tell.
#
# In the long setting *ramp beats constant* fails, but only just: on a second kind of processor, whose rounding
# differs, the verdict is *not shown*. Do not build on it. The two settings differ in length, start and batch norm at
# once, so we cannot say which of these matters.
#
# ### Why: sharpness
#
# **Untrained nets are too sharp for the full rate, and a small rate flattens them. But being flat enough does not make
# a net safe.** Twenty-four nets, SGD without batch norm: their sharpness above the limit of the full rate, in
# doublings, on the ramp and at a small rate of $0.02$, and the share that fails when the full rate, $0.4$, comes at
# that step:

# %%
numbers(
    "WU-4",
    steps,
    {
        "above the limit, ramp": "ramp_over_{}:.1f",
        "small rate": "small_over_{}:.1f",
        "fail after a jump, ramp": "ramp_failed_{}",
        "after the small rate": "small_failed_{}",
    },
)

# %% [markdown]
# - **The start is too sharp**, by <span title="WU-4 ramp_over_0">3.6</span> doublings. With batch norm it is
#   <span title="WU-4 bn_over_0">0.8</span>.
# - **Flatter ground comes by itself.** Ten steps at the small rate take away
#   <span title="WU-4 small_fall_10">3.6</span> doublings, and the ramp no more. Kalra and Barkeshli call this natural
#   sharpness reduction: it needs no climbing rate, only one that is small enough not to destroy the net meanwhile.
# - **What the ramp adds later is not shown**, neither in sharpness nor in nets saved.
# - **Waiting saves nets.** Eighty steps at the small rate save <span title="WU-4 small_saved">46%</span> of them
#   (<span title="WU-4 small_saved_low">25%</span> to <span title="WU-4 small_saved_high">67%</span>).
# - **Sharpness foretells who survives, but not well.** Take two jumps of one net, one that it survives and one that it
#   does not. In <span title="WU-4 sharpness_foretells">75%</span> of such pairs the fatal jump began sharper; a coin
#   would give half, and we had asked for more than three quarters. The loss at that moment does no worse,
#   <span title="WU-4 loss_foretells">78%</span>.

# %% [markdown]
# The last of these numbers flatters sharpness. It counts the end of the ramp as a jump, though the rate has arrived
# there already. The next cell leaves that moment out, and asks how many jumps fail at which height.

# %%
from fpnlib.claims import Result
from fpnlib.notes.warmup.experiments.why import concordance

stored = Result.load("WU-4").per_seed
jumps = [f"{way}_{{}}_{step}" for way in ("ramp", "small") for step in steps.values()]
jumps.remove("ramp_{}_80")  # no jump
over, loss, failed = (
    torch.tensor([stored[jump.format(kind)] for jump in jumps])
    for kind in ("over", "loss", "failed")
)
for name, low, high in (
    ("below the limit", -9, 0),
    ("less than one doubling above", 0, 1),
    ("one to two doublings above", 1, 2),
    ("more than two doublings above", 2, 9),
):
    here = (over >= low) & (over < high)
    print(f"{name:30}{here.sum():4} jumps, {failed[here].mean():.0%} fail")
for name, risk in (("sharpness", over), ("loss", loss)):
    print(f"{name} foretells {concordance(risk, failed).mean():.0%} of the pairs")

# %% [markdown]
# Even below the limit most jumps fail, hardly fewer than a little above it. The moment counts as well: at step ten the
# nets on the ramp stand as close to the limit as at step forty, and yet the jump kills far more of them. Sharpness at
# one moment does not say that it will rise again in the next ten steps, and the limit is one of descent with all data:
# noise from small batches lowers it, and so, at the very start, does momentum (Kalra and Barkeshli).
#
# So whether a net survives the full rate is only partly a matter of sharpness. To prove it the cause, one would have
# to lower it by other means and change nothing else. We have not done that.
#
# ### Why: Adam
#
# **Neither of the two explanations fits these nets.** The length of the step (its root mean square, in learning rates)
# and how alike two streams' steps are (their mean cosine), weights held still:

# %%
numbers(
    "WU-5",
    {f"after {n} batches": n for n in (1, 4, 16, 64)},
    {
        "length": "size_{}",
        "alike": "alike_{}",
        "length, batch norm": "bn_size_{}",
        "alike, batch norm": "bn_alike_{}",
    },
    form=".2f",
)

# %% [markdown]
# If all batches agreed the length would stay at one; for gradients that are pure noise it would fall to less than a
# quarter. Here it falls by <span title="WU-5 size_fall">0.36</span> doublings, and with batch norm, where few runs
# need warm-up, by more. One notch of our grid of rates is twice as much. And letting the moments settle alone saves no
# net, as the table under *Adam's first step* showed.
#
# ### Related schedules, measured
#
# **What kills a net is how its schedule begins.** The five shapes with SGD, and with Adam RAdam's factor beside its
# controls; twenty-four seeds. Share of nets that fail at the three larger rates and at the three smaller ones, and the
# final loss at $0.1$, in doublings ($-2$ is a quarter):

# %%
numbers(
    "WU-9",
    {
        "constant": "constant",
        "steps": "steps",
        "cosine": "cosine",
        "warm-up, cosine": "warm",
        "one-cycle": "cycle",
        "Adam: cosine": "adam_none",
        "Adam: warm-up, cosine": "adam_warm",
        "Adam: RAdam's factor, cosine": "adam_rectified",
        "Adam: a lower rate of that area, cosine": "adam_area",
    },
    {
        "larger rates": "{}_failed ±",
        "smaller rates": "{}_small_failed",
        "loss at 0.1": "{}_loss:.1f",
    },
)

# %% [markdown]
# - **The end does not save a net.** Constant, steps and cosine lose the same share, to within our bound.
# - **One-cycle** loses fewer than the cosine by <span title="WU-9 cycle_saves">21%</span> of the nets, not shown by
#   our bound, and more than a warm-up of eighty steps by <span title="WU-9 cycle_less_warm">19%</span>. It also comes
#   closer to the full rate, which may be why.
# - **The end is for those that live.** At $0.1$ the cosine ends below the constant rate, though not surely enough for
#   our bound. That a low beginning ends lower still we saw afterwards; it had no test of its own.
# - **RAdam's factor saves Adam's nets, and so does a lower rate.** None of seventy-two runs fails with it, and none
#   with a plain cosine whose rates add up to the same. (None of so many leaves room for a few per cent.) Nothing here
#   speaks for its shape.
#
# ### The range test, measured
#
# **The loss turns far above the limit of the start, and near that of the moment, though not as near as we had
# claimed.** Where it turns, in doublings above each limit; twenty-four nets, none of them in the picture above:

# %%
numbers(
    "WU-7",
    {"plain SGD": "plain", "plain SGD, batch norm": "bn", "momentum 0.9": "momentum"},
    {
        "rate": "{}_rate:.3f",
        "above the limit then": "{}_over_then ±:.2f",
        "above that of the start": "{}_over_start ±:.2f",
    },
)

# %% [markdown]
# The limit of the start is wrong by <span title="WU-7 plain_over_start">3.1</span> doublings, a factor of about nine.
# For the limit of the moment we had asked for one doubling at most, and with plain SGD the loss turns
# <span title="WU-7 plain_over_then">1.3</span> above it: that part of our claim fails. The net stays at the limit for
# a while before the loss gives in. With momentum the loss turns <span title="WU-7 momentum_over_then">−0.8</span> from
# the limit, so below it, and within the one doubling. On a parabola, whose sharpness cannot move, the same test turns
# at the limit to <span title="WU-7 parabola_over">0.1</span> doublings.
#
# ### The scaling rule, measured
#
# **Up to the limit one large step does as well as eight small ones; far above it does not.** Untrained nets, eight
# steps with $64$ examples each against one with all of them; rates of the large step in limits. How far *apart* the
# two ends lie is given in lengths of the way that the small steps went.

# %%
loads = {
    "a quarter": "0.25",
    "half": "0.5",
    "once": "1",
    "twice": "2",
    "four times": "4",
    "eight times": "8",
}
numbers(
    "WU-8",
    loads,
    {
        "loss, large over small, doublings": "over_{} ±:.2f",
        "apart": "apart_{}:.2f",
        "what eight steps gain, doublings": "gain_{}:.2f",
    },
)

# %% [markdown]
# Up to the limit the loss is the same to a tenth of a doubling. The places are not: at the limit they lie
# <span title="WU-8 apart_1">0.62</span> of the way apart. The rule keeps the loss, not the path. At eight times the
# limit the large step ends <span title="WU-8 over_8">0.89</span> doublings higher. These are the first steps of small
# nets; of a whole training this says nothing.
#
# ### A recipe
#
# The first three points are what these small nets showed; the others are custom.
#
# - **Do you need it?** If some seeds end at the loss of a guess, or the loss leaps in the first steps, then yes, or a
#   lower rate.
# - **Take a larger rate with it**, here twice as large. At a small rate it only costs. With batch norm expect less.
# - **A ramp, and not too short.** With SGD ten steps did nothing at a large rate; a short constant start did harm.
# - **From where, and how long?** Goyal et al. climb from a thirty-second of the rate over five of ninety epochs,
#   detectron2 by default from a thousandth over a thousand steps; for Adam, Ma and Yarats advise $2 / (1 - \beta_2)$
#   steps. If that does not save your net, lower the rate.
# - **Print the rates once**, over an epoch's end and over a restart. A decay whose clock is not where you think and a
#   warm-up that begins again are the usual bugs.
#
# Fine-tuning and clipped gradients we have not measured.
#
# ### What changed, and what this does not show
#
# The nets are small and the training is short, and eighty of two hundred steps is a large share of it. When the
# present bounds of WU-2 and of the long setting of WU-3 were fixed, we had seen losses of those nets, so these are no
# blind tests; in WU-9 we knew two of the shares for sixteen seeds. Sharpness under *Measure* is taken over all $1200$
# digits, in the explorer over $128$; the next cell compares the two for its eight nets.

# %%
from fpnlib.notes.warmup.experiments.recorded import SHARP_STEPS, sharpness_curves

fewer = np.log2(sharpness_curves(batch_norm=False)[2, 2].numpy())  # rate 0.4, 80 steps
for step in (0, 10, 80):
    apart = fewer[:, SHARP_STEPS.index(step)] - stored[f"ramp_sharpness_{step}"][: len(fewer)]
    print(f"step {step:2}: {apart.mean():+.2f} doublings, {apart.min():+.2f} to {apart.max():+.2f}")

# %% [markdown]
# ## Try
#
# Replace the three dots by a function, run the cell, and read what the check says.
#
# **First.** Write `f(step, warmup, start)` that returns the factor of a linear warm-up: `start` at step zero, one from
# step `warmup` on.

# %%
from fpnlib.exercises import check

check("warm-up factor", ...)

# %% [markdown]
# **Second, a scheduler that resumes.** Write `f(state, peak, warmup, total)` that returns `(rate, state)`: the next
# learning rate, and what to keep for the next call, a dict that can be written as JSON. The first call gets `{}`. The
# rate is `peak` times a linear warm-up from `0.1` times a cosine that falls from one to zero over `total` steps, both
# from step zero. The check stops your scheduler, writes the state to a file, runs another one, and goes on.

# %%
check("a scheduler that resumes", ...)

# %% [markdown]
# **Third.** Write `f(sharpness, momentum)` that returns the largest learning rate at which gradient descent with
# momentum does not diverge on a parabola.

# %%
check("largest rate", ...)

# %% [markdown]
# **Fourth, a prediction.** The rate climbs in a straight line from a tenth to the full rate over a thousand steps, then
# stays there. Add up the rates. How many steps at the full rate has the warm-up cost: all of the thousand, half of
# them, fewer? And does it cost less to start from a half? Decide first. Then write `f(warmup, start)` that returns how
# many steps are lost.

# %%
check("what warm-up costs", ...)


# %% [markdown]
# **Fifth, a bug to mend.** This function gives the factor in each batch of each epoch. It is right as long as the
# warm-up is no longer than an epoch. MiniGPT-4's scheduler had this very mistake. What happens in the second epoch?


# %%
def factor_in(epoch, batch, batches, warmup, start):
    step = epoch * batches + batch
    if step >= warmup:
        return 1.0
    return start + (1 - start) * batch / warmup


check("warm-up across epochs", factor_in)

# %% [markdown]
# Stuck? `from fpnlib.exercises import hint, solution`: `hint("largest rate")` gives a first hint,
# `hint("largest rate", 2)` the next, and `print(solution("largest rate"))` shows one right answer.
#
# ## Remember
#
# - A net that a large rate ruins in its first steps seldom recovers. Warm-up keeps the rate low over those steps, and
#   so buys a larger rate. A small rate needs none, and with batch norm a net needs it less.
# - Sharpness is a part of the reason: descent diverges on a parabola sharper than $2 (1 + \beta) / \eta$, an untrained
#   net often is, and a small rate leads to flatter ground. But most of our jumps to the full rate from below that
#   limit failed too.
# - A range test is itself a warm-up. With Adam, moments that settled while the weights stood still saved no net.

# %% [markdown]
# ## Terms
#
# | English | 中文 | in one line |
# |---|---|---|
# | learning rate | 学习率 | how far a step goes for a given gradient |
# | warm-up | 预热 | a learning rate that begins small and rises |
# | decay | 衰减 | how the rate falls after its peak |
# | schedule | 学习率调度 | the learning rate as a function of the step |
# | momentum | 动量 | a running sum of gradients that the step follows |
# | Hessian | 海森矩阵 | the matrix of second derivatives of the loss |
# | sharpness | 锐度 | the Hessian's largest eigenvalue |
# | edge of stability | 稳定性边缘 | the sharpness climbs to the limit and hovers there |
# | catapult | 弹射 | steps beyond the limit grow, and land on flatter ground |
# | power iteration | 幂迭代 | multiply by a matrix again and again to find its largest eigenvalue |
# | second moment | 二阶矩 | Adam's running mean of squared gradients |
# | one-cycle | 单周期调度 | a schedule that climbs to the full rate and then falls to next to nothing |
# | range test | 学习率范围测试 | let the rate climb at every step and see where the loss turns |
# | linear scaling rule | 线性缩放规则 | with a batch $k$ times as large, a rate $k$ times as large |
# | pre-LN, post-LN | 前置/后置层归一化 | layer norm at the entry of a block, or after the sum with its skip |
#
# ## References
#
# - P. Goyal et al., *Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour*, 2017: constant and gradual warm-up,
#   section 2.2, and table 1. We read the paper.
# - J. Gilmer et al., *A Loss Curvature Perspective on Training Instabilities of Deep Learning Models*, ICLR 2022:
#   warm-up as a way out of sharply curved regions. We read its abstract.
# - A. Lewkowycz et al., *The Large Learning Rate Phase of Deep Learning: the Catapult Mechanism*, 2020; and J. Cohen et
#   al., *Gradient Descent on Neural Networks Typically Occurs at the Edge of Stability*, ICLR 2021. On Adam's
#   own limit, J. Cohen et al., *Adaptive Gradient Methods at the Edge of Stability*, 2022. We did not read
#   them again.
# - D. S. Kalra and M. Barkeshli, *Why Warmup the Learning Rate? Underlying Mechanisms and Improvements*, NeurIPS 2024:
#   sharpness that falls by itself, and what warm-up adds. We read sections 2 to 5.
# - L. Liu et al., *On the Variance of the Adaptive Learning Rate and Beyond*, ICLR 2020: RAdam, and the test
#   with $v$ fed first (*Adam-2k*, section 3). We read its abstract and introduction.
# - J. Ma and D. Yarats, *On the Adequacy of Untuned Warmup for Adaptive Optimization*, AAAI 2021: the size of Adam's
#   first updates. We read its abstract and part of its introduction.
# - I. Loshchilov and F. Hutter, *SGDR: Stochastic Gradient Descent with Warm Restarts*, ICLR 2017: the cosine. We did
#   not read it again.
# - L. N. Smith, *Cyclical Learning Rates for Training Neural Networks*, WACV 2017: the range test, with accuracy in
#   place of the loss; and L. N. Smith and N. Topin, *Super-Convergence*, 2018: one-cycle. We read the first one's
#   abstract.
# - A. Vaswani et al., *Attention Is All You Need*, NIPS 2017: the transformer, with a ramp in its schedule. We did not
#   read it again.
# - R. Xiong et al., *On Layer Normalization in the Transformer Architecture*, ICML 2020: why post-LN needs warm-up. We
#   read its abstract.
# - K. He et al., *Delving Deep into Rectifiers*, ICCV 2015: the weights our nets begin with.
# - detectron2 and timm, `tests/test_scheduler.py` in each: the published numbers.
# - torch issues 162591 and 185872, timm issue 1242: what users reported of chained schedulers.
# - [MiniGPT-4, pull request 263](https://github.com/Vision-CAIR/MiniGPT-4/pull/263): a warm-up that began anew in each
#   epoch.
# - *Another good page:* G. Goh, *Why Momentum Really Works*, Distill 2017. It takes the parabola in many dimensions
#   apart and finds the best rate and momentum for all of them at once. Here one direction is enough, the sharpest:
#   warm-up is about where descent diverges, not how fast it converges.
