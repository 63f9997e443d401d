# %% [markdown]
# # 05 · Learning-rate warm-up
#
# **In one sentence:** a learning rate that is too large for an untrained net can ruin it within a few steps, and for
# good, so let the rate begin small and rise. One likely reason is that at first the loss curves too sharply for the
# full rate. It is not the only one.
#
# *Half an hour to read, an hour if you play. No earlier note is needed; [batch normalisation](06-batch-norm.ipynb) is
# the other remedy you will meet.* Run every cell first (menu Run → Run All Cells), then move the sliders. They work
# from the keyboard too: Tab to a slider, then the arrow keys.

# %% [markdown]
# ## Look
#
# Sixteen small nets learn handwritten digits. Each has eight linear layers, six of them in three blocks that add their
# input to their output (*skips*). They differ only in their initial weights and the order of the data. Their learning
# rate is large, and falls to zero along a cosine over two hundred steps. You see the first eighty, trained here and
# now. The dotted line is the loss of a guess: all ten digits equally likely.
#
# Now choose *both*. The blue lines are the same nets with the same data, but for eighty steps their rate climbs from a
# hundredth of the full one. That is *warm-up*. From then on both kinds have the same rate. **A guess, on paper: will
# the orange nets catch up? Then show all steps.**

# %%
from fpnlib.notes.warmup.explorers import live_training

live_training()

# %% [markdown]
# They do not. Four orange nets end on the dotted line, one on top of the other, and most of the rest end far above the
# blue ones. What went wrong went wrong early, for good.
#
# ### How a net dies
#
# **Tick the box, and look at the first twenty steps.** The right panel counts, of the thirty-two ReLUs before the last
# layer, those that *speak*: that let something through for at least one of the training digits.
#
# At step zero nearly all speak. Without warm-up most are silent within ten or twenty steps: the long first steps have
# pushed their inputs below zero for every digit. In four nets none is left, and these are the four on the dotted line.
# With warm-up the same nets keep a dozen or more.
#
# Why for good? The gradient of a weight comes back through the ReLUs behind it, and a silent ReLU lets nothing back.
# Once all are silent, no weight before the last layer gets any gradient. Only the last layer's biases still learn, and
# they give every digit the same answer. Momentum may carry the weights on for some steps and wake a ReLU by luck. After
# that nothing can.
#
# A net need not die to suffer. At the rate $0.1$ no net fails, but without warm-up about half of the ReLUs fall silent,
# and nearly all nets end at a higher loss than their blue twins.
#
# ### The schedule
#
# Warm-up is a factor: small at step zero, one from a given step on. It multiplies whatever decay you would use anyway.
# Here is a linear warm-up times a cosine, by hand and by the library. Change the marked line; the picture below starts
# from it.

# %%
import math

import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR

from fpnlib.schedules import WarmupLR

peak, warmup, start, total = 0.4, 40, 0.1, 200  # change this


def rate(step):
    climb = start + (1 - start) * min(step / warmup, 1)
    return peak * climb * (1 + math.cos(math.pi * step / total)) / 2


optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=peak)
scheduler = WarmupLR(optimizer, warmup, "linear", start, after=CosineAnnealingLR(optimizer, total))
for step in range(total):
    if step % 40 == 0:
        print(f"step {step:3}: {rate(step):.4f}, the library's {scheduler.get_last_lr()[0]:.4f}")
    optimizer.step()
    scheduler.step()

# %% [markdown]
# The shaded area is the sum of all learning rates; the code under the picture makes the schedule. **Make the warm-up
# longer. Watch the right-hand orange dot, where the warm-up is over, and the area. Then tick the box.**

# %%
from fpnlib.notes.warmup.explorers import schedule_designer

schedule_designer(warmup=warmup, start=start, rate=peak)

# %% [markdown]
# - **Whose clock?** Without the tick the decay begins at step zero, as in detectron2, and is on its way when the
#   warm-up is over. With the tick it waits, and the full rate is always reached. timm calls that `warmup_prefix`.
# - **The area.** Without the tick it shrinks. If such a run ends better, was it the warm-up, or would a lower rate have
#   done the same? The next section tests that.
#
# ### How large, how long?
#
# Now many runs: two optimisers, six learning rates, four lengths of warm-up, sixteen seeds in each cell. A run has
# *failed* if its last twenty losses lie, on average, above eighty-five per cent of the loss of a guess, or are no
# longer numbers (it has *diverged*).
#
# **The frame stands at the rate $0.4$, where fourteen of sixteen runs fail without warm-up. How many steps of it will
# save half of them: ten, forty or eighty? Try the lengths. Then show the whole map, and Adam's.**

# %%
from fpnlib.notes.warmup.explorers import rate_map

rate_map()

# %% [markdown]
# Ten steps save nobody, forty save two, eighty save ten. At half that rate ten steps already save most.
#
# The failures sit at the upper right: large rate, little warm-up. Elsewhere choose *final loss*. At the smallest rate
# warm-up only costs: with Adam, eighty steps more than double the loss. In the middle it can pay even where no run
# fails: with Adam at $0.05$ the loss is <span title="WU-2 adam_rate3_warmup0_loss">0.47</span> without and
# <span title="WU-2 adam_rate3_warmup80_loss">0.010</span> with eighty steps. (That we noticed afterwards.)
#
# **At the three larger rates eighty steps save <span title="WU-2 sgd_large">42%</span> of all runs with SGD, and as
# many with Adam.** A part of this is only the lower mean rate. Against a lower rate of the same area, warm-up still
# saves <span title="WU-2 adam_over_area">29%</span> with Adam; with SGD the interval is too wide to tell.
#
# Nobody is forced to train at a ruinous rate, though. Does warm-up still win when each way may use its own best rate?
# **It does.** With warm-up the best rate is twice as large, and the final loss lower by
# <span title="WU-2 sgd_best_gain">0.76</span> doublings with SGD and by <span title="WU-2 adam_best_gain">0.92</span>
# with Adam. (We count ratios in *doublings*: one is twice as much, two are four times.)
#
# **And with batch norm?** At the same rates few of these nets fail, and with the best rates no gain is shown. At four
# times the rates Adam needs warm-up again: it saves <span title="WU-6 adam_higher">65%</span> of the runs. With SGD the
# <span title="WU-6 sgd_higher">23%</span> that it saves are not sure enough: we ask that the whole $95$ % interval lie
# above thirteen in a hundred (why, *Measure* says at the end).
#
# ### A ramp, or a low constant start?
#
# Goyal et al. trained ResNet-50 on ImageNet at a rate of $3.2$. Without warm-up the error was $24.84$ per cent, with
# five epochs at a constant $0.1$ it was $25.88$, and with a ramp from there $23.74$: a low constant start was worse
# than none.
#
# We find the same where warm-up is as short as theirs: with batch norm and eleven of two hundred steps, the constant
# start gets <span title="WU-3 short_constant_less_none">11%</span> of all test digits more wrong than none does, and
# the ramp is no better than none. With
# eighty steps, and without batch norm, both ways help much, and our claim that the ramp is better fails (on a second
# kind of processor it is *not shown*). Length, start and batch norm differ at once, so we cannot say which matters.
#
# ### Related schedules
#
# Warm-up is one shape among many. *Steps* multiplies the rate by three tenths every sixty steps. *One-cycle* climbs for
# three tenths of the time and then falls to next to nothing. *RAdam's* is explained below.
#
# **At the rate $0.1$ no net fails with any of the six. Does the shape still matter there? Go through them, and watch
# where the curves end. Then look at larger rates.**

# %%
from fpnlib.notes.warmup.explorers import schedule_kin

schedule_kin()

# %% [markdown]
# It does: with warm-up and with one-cycle the median net ends at about a quarter of the cosine's loss.
#
# At larger rates the table counts the dead. **How a schedule ends saves no net:** constant, steps and cosine, which all
# begin at the full rate, lose the same share, as far as we ask. One-cycle begins low and loses fewer, though not by
# enough to be sure. RAdam's shape loses fewest, but look how low it stays: with Adam it saved every net, and so did
# a plain cosine at a lower rate of the same area.
#
# (These are other seeds than the map's, and the counts differ by as much as four in sixteen.)

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
# The product of the two solutions is $\beta$. A complex pair therefore has the size $\sqrt{\beta} < 1$, and only a real
# $z$ can reach size one. It cannot be $z = 1$, which would need $\eta = 0$, so it is $z = -1$. Put that in, and the
# equation says $\eta \lambda = 2 (1 + \beta)$. Gradient descent diverges on the parabola if
#
# $$\lambda > \frac{2 (1 + \beta)}{\eta}$$
#
# The loss of a net is no parabola: its curvature changes from place to place. The simplest such loss has two weights,
# $\tfrac12 (uv - 1)^2$. It is least along a whole curve, $uv = 1$, a valley that is sharp at its ends and flat in the
# middle. On the left is a parabola as sharp as the start, in the middle the valley,
# whose start you can drag, and on the right the sharpness along the path, divided by the limit.
#
# **The rate is $0.2$, a little too fast for the sharp place where descent begins. Now a guess: with half that rate,
# will it come to rest in a flatter place or in a sharper one? Try it. Then go up, to $0.26$, $0.3$ and $0.5$.**

# %%
from fpnlib.notes.warmup.explorers import catapult

catapult()

# %% [markdown]
# Half the rate ends in the *sharper* place. (The curve on the right lies lower only because the limit has doubled; the
# last line under the picture gives the sharpness itself.) A slow descent walks straight down and stays where it lands.
# Steps a little too large bounce from wall to wall, and each bounce carries the weights along the valley, to where it
# is flat enough for their rate: a *catapult*, as Lewkowycz et al. call it. Much too fast, and the valley does not save
# you either.
#
# So this toy argues against warm-up: overshooting finds the flat ground. But a net has a second way, which the toy
# lacks. **Its sharpness falls at a small rate too, with no overshooting.** That has to be measured.
#
# ### A net's sharpness
#
# The second derivatives of a net's loss form a matrix, the Hessian, and its largest eigenvalue is called the
# **sharpness**. Our net's Hessian has more than seventy million entries and is never built. *Power iteration* needs
# only its product with a vector, a gradient of a gradient: multiply again and again, and the vector turns towards the
# eigenvector of the largest eigenvalue. The dashed line is the limit that each step's learning rate sets; a cross marks
# where a net diverges.
#
# **It opens at the rate $0.4$ with eighty steps of warm-up. Choose none. Then tick batch norm.**

# %%
from fpnlib.notes.warmup.explorers import sharpness

sharpness()

# %% [markdown]
# With warm-up the limit comes down as the rate climbs, and the sharpness falls faster: at step ten no net is above the
# limit. At step eighty two of the eight are, and one is lost.
#
# Without warm-up all eight begin above it. Those that end at a sharpness near one tenth are dead: where nothing moves,
# the loss is flat. With batch norm all begin much flatter, and even without warm-up none is lost.
#
# Twenty-four other nets, untrained, are too sharp for the full rate by <span title="WU-4 ramp_over_0">3.6</span>
# doublings. Ten steps at a small rate, $0.02$, take away <span title="WU-4 small_fall_10">3.6</span>, and ten steps of
# the ramp no more. Kalra and Barkeshli call this natural sharpness reduction: the rate need not climb, only be small
# enough not to ruin the net meanwhile.
#
# ### Flat, and dead all the same
#
# So let the rate jump. Each of twenty-four nets is warmed up until some step and then takes the full rate, $0.4$, at
# once. A dot is a net that survives, a cross one that fails; its height is its sharpness when it jumps, over the limit
# of the full rate.
#
# **If sharpness is the whole story, nets that jump from below the line should survive. Do they? Jump later and later.
# Then choose the small rate of $0.02$, which does not climb at all.**

# %%
from fpnlib.notes.warmup.explorers import jump_to_full_rate

jump_to_full_rate()

# %% [markdown]
# They do not. By step ten the nets have come down to the limit, whether the rate climbs or not. Yet a jump then kills
# nearly all of them, those below the line too. Waiting does help in the end: eighty steps at the small rate save
# <span title="WU-4 small_saved">46%</span> of the nets. Here are all jumps together:

# %%
from fpnlib.claims import Result
from fpnlib.notes.warmup.experiments.why import JUMPS, concordance

stored = Result.load("WU-4").per_seed
names = [f"{way}_{{}}_{step}" for way in ("ramp", "small") for step in JUMPS]
names.remove("ramp_{}_80")  # no jump: the ramp has arrived
over, failed = (
    torch.tensor([stored[n.format(kind)] for n in names]) for kind in ("over", "failed")
)
for where, here in {"below the limit": over < 0, "above the limit": over >= 0}.items():
    print(f"{where}: {here.sum()} jumps, {failed[here].mean():.0%} fail")
pairs = concordance(over, failed).mean()
print(f"of two jumps of one net, one fatal, the fatal one began sharper in {pairs:.0%}")

# %% [markdown]
# **Even below the limit nearly three jumps of four kill.** Of two jumps of one net, one that it survives and one that
# it does not, the fatal one began sharper in two thirds of the cases; a coin would say half. (Our registered claim
# wrongly counts the end of the ramp as a jump, and comes to <span title="WU-4 sharpness_foretells">75%</span>.)
#
# Why is being flat at one moment not enough? The sharpness can rise again: at a constant rate it tends to climb to the
# limit and to hover there, which Cohen et al. call the *edge of stability*. And the limit is that of descent with all
# data; the noise of small batches lowers it. To prove that sharpness is the cause, one would have to lower it and
# change nothing else. We have not.
#
# ### A range test is itself a warm-up
#
# A *range test* is a cheap way to look for a good rate. Begin with a tiny one, let it grow by ten per cent at every
# step, and watch the loss. Take a rate somewhat below the one where it *turns*, that is, where its mean over five steps
# is lowest.
#
# **Does the loss turn where the rate meets the limit, $2 / \lambda$ for plain SGD, of the untrained net? Guess, then
# show the rate over its limit. Go through the nets, and tick batch norm.**

# %%
from fpnlib.notes.warmup.explorers import range_test

range_test()

# %% [markdown]
# No. The rate crosses the limit of the start (dotted) early, and nothing happens: over twenty-four nets the loss turns
# <span title="WU-7 plain_over_start">3.1</span> doublings above it. While the rate is small the sharpness falls, and
# the limit moves away. The loss turns only <span title="WU-7 plain_over_then">1.3</span> doublings above the limit *of
# that moment*, where we had claimed one at most. (With momentum it turns a little below.)
#
# So its answer is a rate that a net can take after some eighty small steps, and not one to begin with: **a range test
# is itself a warm-up**. If you use its answer, warm up too.
#
# ### Adam
#
# Adam divides $m$, a running mean of gradients, by the root of $v$, a running mean of their squares (its two
# *moments*). So the limit above is not Adam's, and its own we have not measured. The usual explanation of why Adam
# needs warm-up is its first step, when both moments rest on a single batch. Corrected for that, they give
#
# $$\frac{\hat m_1}{\sqrt{\hat v_1}} = \frac{g}{|g|} = \pm 1$$
#
# Every weight moves by the whole learning rate, however small its gradient $g$. Later, gradients of unlike sign cancel
# in $m$ but not in $v$, and steps get shorter. Liu et al. say that at first $v$ is a mean of too few batches; Ma and
# Yarats, that the first steps are too long.
#
# **In our nets neither explains the need.** With the weights held still, the step shrinks over sixty-four batches by
# only <span title="WU-5 size_fall">0.36</span> doublings. And if unsettled moments were the trouble, it would help to
# let them fill while the weights stand still, and only then to take the full rate. After eighty such batches
# <span title="WU-5 still_failed_80">100%</span> fail, after a ramp of eighty steps
# <span title="WU-5 ramp_failed_80">0%</span>. In a transformer Liu et al. found the opposite; but they filled only $v$,
# and that we did not try.
#
# Their remedy, RAdam, multiplies the step by a factor that follows from the number of batches in $v$ alone. After a few
# plain momentum steps it climbs from near zero, and after two hundred steps it has not come to a third. So RAdam *is* a
# warm-up, as Ma and Yarats point out: a long one, whose shape nobody has to choose.
#
# ### Where it comes from, and where it is used
#
# *ResNets.* He et al. trained $110$ layers at $0.01$ until the training error was below $80$ per cent, some $400$
# steps, and then at $0.1$: a constant start.
#
# *Large batches.* The linear scaling rule says: with $k$ times the batch, take $k$ times the rate. One large step then
# goes as far as $k$ small ones, if the gradient stays the same. In our untrained nets that works up to the rate
# $2 / \lambda$; at eight times that rate one large step ends <span title="WU-8 over_8">0.89</span> doublings higher
# than eight small ones. A large batch asks for a rate that an untrained net takes badly, and for this trouble Goyal et
# al. introduced their ramp.
#
# *Transformers.* With a layer norm *after* the sum of a block and its skip (*post-LN*), the gradients near an untrained
# net's output are large, as Xiong et al. prove, and warm-up tames them. With the norm at the entry of the block
# (*pre-LN*) they could leave it out. We have trained none.

# %% [markdown]
# ## A recipe
#
# The first three points are what our small nets showed; the others are common practice.
#
# - **Do you need it?** If some seeds end at the loss of a guess, or the loss leaps at first, then yes, or a lower rate.
#   If nothing fails, try both ways: it may pay all the same, unless your rate is small. With batch norm expect less.
# - **Take a larger rate with it**, here twice as large.
# - **Not too short.** At the rate $0.4$ ten steps saved no net with SGD, and a short constant start did harm.
# - **From where, and how long?** Goyal et al. climb from a thirty-second of the rate over five of ninety epochs,
#   detectron2 by default from a thousandth over a thousand steps; for Adam, Ma and Yarats advise $2 / (1 - \beta_2)$
#   steps.
# - **Print the rates once**, over an epoch's end and over a restart: the usual bugs are a decay whose clock is not
#   where you think, and a warm-up that begins again.
#
# ## Remember
#
# - A net that a large rate ruins in its first steps seldom recovers: its ReLUs fall silent, and a silent ReLU learns
#   nothing. Warm-up keeps the rate low over those steps, and so buys a larger one.
# - Sharpness is probably a part of the reason: descent diverges on a parabola sharper than $2 (1 + \beta) / \eta$, and
#   a small rate leads to flatter ground. But most jumps from below that limit killed too.
# - A range test is itself a warm-up: it shows a rate to reach, and none to begin with.

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
# stays there. How many steps at the full rate has the warm-up cost: all of the thousand, half of them, fewer? And does
# it cost less to start from a half? Decide first. Then write `f(warmup, start)` that returns how many steps are lost.

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

# %% [markdown]
# ## Measure
#
# Each line opens. A claim is a saying with a bound, its *verdict* says whether it holds by that bound, and a *control*
# shows that the measurement can tell yes from no.

# %%
from fpnlib.claims import verdicts

verdicts("WU")

# %% [markdown]
# **How large is large enough to matter?** A share of failed runs above $0.13$: at that chance five runs all succeed
# about half of the time, so one would hardly notice less. The other bounds stand in the lines, each with its reason.
#
# **What this does not show.** The nets are small and the training is short. When the present bounds of WU-2 and of the
# long setting of WU-3 were fixed, we had seen losses of those nets, and in WU-9 two of the shares for sixteen seeds.

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
# Of those with a star we know only the abstract, or what others say of them.
#
# - P. Goyal et al., *Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour*, 2017: the ramp, the constant start
#   beside it, and the linear scaling rule, sections 2.1 and 2.2 and table 1.
# - K. He et al., *Deep Residual Learning for Image Recognition*, CVPR 2016, section 4.2: the constant start.\*
# - D. S. Kalra and M. Barkeshli, *Why Warmup the Learning Rate? Underlying Mechanisms and Improvements*, NeurIPS 2024:
#   sharpness that falls by itself, and what warm-up adds.
# - J. Gilmer et al., *A Loss Curvature Perspective on Training Instabilities of Deep Learning Models*, ICLR 2022:
#   warm-up as a way out of sharply curved regions.\*
# - A. Lewkowycz et al., *The Large Learning Rate Phase of Deep Learning: the Catapult Mechanism*, 2020;\* J. Cohen et
#   al., *Gradient Descent on Neural Networks Typically Occurs at the Edge of Stability*, ICLR 2021;\* and of Adam's own
#   limit, J. Cohen et al., *Adaptive Gradient Methods at the Edge of Stability*, 2022.\*
# - L. Liu et al., *On the Variance of the Adaptive Learning Rate and Beyond*, ICLR 2020: RAdam, and the test with $v$
#   filled first (*Adam-2k*).\*
# - J. Ma and D. Yarats, *On the Adequacy of Untuned Warmup for Adaptive Optimization*, AAAI 2021: the length of Adam's
#   first steps, and RAdam as a warm-up.\*
# - I. Loshchilov and F. Hutter, *SGDR: Stochastic Gradient Descent with Warm Restarts*, ICLR 2017: the cosine.\*
# - L. N. Smith, *Cyclical Learning Rates for Training Neural Networks*, WACV 2017: the range test, there with a rate
#   that climbs in equal differences and with the accuracy;\* equal ratios and the loss came with the fastai library.
# - L. N. Smith and N. Topin, *Super-Convergence*, 2018: one-cycle.\*
# - R. Xiong et al., *On Layer Normalization in the Transformer Architecture*, ICML 2020: why post-LN needs warm-up.\*
# - K. He et al., *Delving Deep into Rectifiers*, ICCV 2015: the weights our nets begin with.
# - detectron2 and timm, `tests/test_scheduler.py` in each: the rates that WU-1 compares ours with.
# - [MiniGPT-4, pull request 263](https://github.com/Vision-CAIR/MiniGPT-4/pull/263): a warm-up that began anew in each
#   epoch.
# - *Another good page:* G. Goh, *Why Momentum Really Works*, Distill 2017. It takes the parabola in many dimensions
#   apart and finds the best rate and momentum for all of them at once. Here one direction is enough, the sharpest:
#   warm-up is about where descent diverges, not how fast it converges.
