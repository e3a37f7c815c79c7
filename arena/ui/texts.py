"""Every sentence a visitor reads, in English and Chinese, and nothing else."""

from __future__ import annotations

from typing import Literal

from arena.ui.admin_texts import ADMIN_CHINESE, ADMIN_ENGLISH
from arena.ui.evaluation.texts import EVALUATION_CHINESE, EVALUATION_ENGLISH
from arena.ui.integrity_texts import INTEGRITY_CHINESE, INTEGRITY_ENGLISH
from arena.ui.leaderboard_texts import CHINESE, ENGLISH

Language = Literal["en", "zh"]

TEXTS: dict[Language, dict[str, str]] = {
    "en": {
        "battle": "Battle",
        "leaderboard": "Leaderboard",
        "about": "About",
        "lead": "Ask anything. Two anonymous models answer; you say which is better; then you learn who they were.",
        "consent": "I agree that my prompts, the answers and my votes are stored and may be published without my name "
        "(see About). I will not enter personal data.",
        "prompt": "Your prompt",
        "placeholder": "Ask anything, then press Enter",
        "send": "Send",
        "stop": "Stop",
        "regenerate": "Regenerate",
        "new": "New battle (N)",
        "model_a": "Model A",
        "model_b": "Model B",
        "vote_a": "👈 A is better (1)",
        "vote_b": "👉 B is better (2)",
        "vote_tie": "🤝 Tie (3)",
        "vote_both_bad": "👎 Both are bad (4)",
        "examples": "Or try one of these:",
        "example_1": "Explain why the sky is blue to a child of six.",
        "example_2": "Write a Python function that checks whether a word is a palindrome.",
        "example_3": "Write a short poem about a paddock at dawn.",
        "example_4": "How many piano tuners work in a city of a million? Show your estimate.",
        "question": "🎲 Show me a question with two answers to vote on",
        "hint_idle": "Type a prompt to begin.",
        "hint_waiting": "All places are taken; your place in line: {ahead}.",
        "hint_generating": "Both models are answering…",
        "hint_open": "Both answers are complete. Vote, or ask on.",
        "hint_stopped": "Stopped. Regenerate the answers to vote, or start a new battle.",
        "hint_stored_generating": "Two answers that were given before are shown…",
        "hint_stored_open": "Both answers are complete. Which is better?",
        "hint_stored_stopped": "Stopped. Regenerate shows the same answers again, to vote on; or start a new battle.",
        "hint_stopped_for_good": "Stopped, and these answers can't be regenerated any more. Start a new battle.",
        "hint_voted": "Thank you, your vote is stored. Start a new battle whenever you like.",
        "hint_void": "This battle can't be voted on. Start a new one.",
        "failed": "One of the two answers could not be completed, so this battle does not count.",
        "result_a": "You found A better.",
        "result_b": "You found B better.",
        "result_tie": "You called it a tie.",
        "result_both_bad": "You found both bad.",
        "took_prompt_tokens": "{value} tokens read",
        "took_output_tokens": "{value} tokens written",
        "took_first_token": "first one after {value} s",
        "took_tokens_per_second": "{value} tokens/s",
        "took_joules": "{value} J",
        "took_complete": "complete",
        "took_cut": "cut at its limit",
        "loading": "The models are getting ready: {ready} of {total} are here ({percent} loaded). "
        "Battles begin with two.",
        "loading_more": "{ready} of {total} models are ready ({percent} loaded); the others join as they arrive.",
        "unavailable": "Only {ready} of {total} models could be loaded; the log of the server says why.",
        "error_empty": "The prompt is empty; type something to ask.",
        "error_too_long": "The prompt is too long; at most {limit} characters fit.",
        "error_too_long_for_models": "The prompt is too long for these models; please shorten it.",
        "error_inside": "You have a battle under way already, in another tab perhaps; let it end first.",
        "error_not_ready": "Two models are needed and they are not ready yet; please try again in a moment.",
        "error_no_question": "No question is left that you could vote on at the moment; type a prompt instead.",
        "error_busy": "The arena is full at the moment; please try again in a minute.",
        "error_closed": "The arena is about to restart and takes in nothing new; please try again in a minute.",
        "error_full": "This conversation is full; please vote, or start a new battle.",
        "error_cookie": "Your browser sent no valid cookie, so a vote could not be yours; allow cookies and reload.",
        "error_consent": "Please tick the box about storage first.",
        "error_storage": "This could not be stored, so nothing was counted; please try again later.",
        "error_no_battle": "There is no battle yet; type a prompt first.",
        "error_lost": "The page had lost your battle; here it is again.",
        "notice_quota": "Your free GPU time for today is used up; sign in to Hugging Face for more, "
        "or come back tomorrow.",
        "notice_no_gpu": "No GPU is free at the moment; please try again in a minute.",
        "refused_not_yours": "This battle is not yours.",
        "refused_unfinished": "Wait until both answers are complete.",
        "refused_stopped": "Answers that were stopped can't be voted on.",
        "refused_failed": "This battle failed and can't be voted on; start a new one.",
        "refused_already_voted": "This battle has its vote; the first one counts.",
        "refused_expired": "This battle is too old to be voted on; start a new one.",
        "refused_too_many_attempts": "These answers can't be regenerated any more.",
        "refused_too_many_turns": "This battle has as many turns as are allowed; please vote.",
        "paced": "Both answers are shown at one common pace, so that speed does not give a model away.",
        "unpaced": "Both answers are shown as they come.",
        "keeping_nowhere": "⚠️ **Votes are not kept here.** This Space has nowhere to store them, and its next restart "
        "loses them all. Its owner can change that by setting ARENA_DATASET.",
        "keeping_late": "⚠️ **The newest votes are not safe yet.** For {minutes} minutes they could not be "
        "stored outside of this server; losing its disk now would lose them.",
        "sign_in": "Sign in with Hugging Face",
        "sign_out": "Sign out ({name})",
        "sign_in_invite": "You may vote without signing in. Votes of a Hugging Face account that is at least {days} "
        "days old count as verified.",
        "signed_in": "Signed in as {name}; your votes count, but not as verified ones.",
        "signed_in_verified": "Signed in as {name}; your votes count as verified.",
        **ENGLISH,
        **ADMIN_ENGLISH,
        **INTEGRITY_ENGLISH,
        **EVALUATION_ENGLISH,
    },
    "zh": {
        "battle": "对战",
        "leaderboard": "排行榜",
        "about": "关于",
        "lead": "随意提问。两个匿名模型同时回答，由您判断哪个更好，然后揭晓它们的名字。",
        "consent": "我同意保存我的提问、回答和投票，并可能在不含姓名的情况下公开（见“关于”）。我不会输入个人信息。",
        "prompt": "您的提问",
        "placeholder": "输入问题，按回车发送",
        "send": "发送",
        "stop": "停止",
        "regenerate": "重新生成",
        "new": "新对战 (N)",
        "model_a": "模型 A",
        "model_b": "模型 B",
        "vote_a": "👈 A 更好 (1)",
        "vote_b": "👉 B 更好 (2)",
        "vote_tie": "🤝 平局 (3)",
        "vote_both_bad": "👎 都不好 (4)",
        "examples": "或者试试这些：",
        "example_1": "向六岁的孩子解释天空为什么是蓝色的。",
        "example_2": "写一个 Python 函数，判断一个单词是否为回文。",
        "example_3": "写一首关于黎明牧场的短诗。",
        "example_4": "一个百万人口的城市有多少钢琴调音师？请给出估算过程。",
        "question": "🎲 给我出一道题，为两个已有的回答投票",
        "hint_idle": "输入问题即可开始。",
        "hint_waiting": "名额已满，您排在第 {ahead} 位。",
        "hint_generating": "两个模型正在回答……",
        "hint_open": "两个回答都已完成。请投票，或继续提问。",
        "hint_stopped": "已停止。重新生成后才能投票，或开始新对战。",
        "hint_stored_generating": "正在显示两个早先给出的回答……",
        "hint_stored_open": "两个回答都已完成。哪个更好？",
        "hint_stored_stopped": "已停止。点击“重新生成”可再次显示同样的回答并投票，或开始新对战。",
        "hint_stopped_for_good": "已停止，且无法再次重新生成。请开始新对战。",
        "hint_voted": "谢谢，您的投票已保存。随时可以开始新对战。",
        "hint_void": "本次对战无法投票，请开始新对战。",
        "failed": "其中一个回答未能完成，因此本次对战不计入。",
        "result_a": "您认为 A 更好。",
        "result_b": "您认为 B 更好。",
        "result_tie": "您判为平局。",
        "result_both_bad": "您认为都不好。",
        "took_prompt_tokens": "读取 {value} 个词元",
        "took_output_tokens": "生成 {value} 个词元",
        "took_first_token": "首个词元用时 {value} 秒",
        "took_tokens_per_second": "每秒 {value} 个词元",
        "took_joules": "{value} 焦耳",
        "took_complete": "回答完整",
        "took_cut": "达到长度上限",
        "loading": "模型正在准备：已就绪 {ready}/{total}（已下载 {percent}）。两个就绪后即可开始。",
        "loading_more": "已有 {ready}/{total} 个模型就绪（已下载 {percent}），其余将陆续加入。",
        "unavailable": "只有 {ready}/{total} 个模型加载成功，原因见服务器日志。",
        "error_empty": "提问为空，请输入内容。",
        "error_too_long": "提问过长，最多 {limit} 个字符。",
        "error_too_long_for_models": "提问对这些模型来说过长，请缩短。",
        "error_inside": "您已有一场对战正在进行（可能在另一个标签页），请等它结束。",
        "error_not_ready": "需要两个模型，目前尚未就绪，请稍后再试。",
        "error_no_question": "目前没有您还可以投票的题目，请输入您自己的问题。",
        "error_busy": "竞技场目前已满，请稍后再试。",
        "error_closed": "竞技场即将重启，暂不接受新内容；请一分钟后再试。",
        "error_full": "本次对话已满，请投票或开始新对战。",
        "error_cookie": "浏览器没有发送有效的 Cookie，无法确认投票归属；请允许 Cookie 并刷新页面。",
        "error_consent": "请先勾选关于保存数据的选项。",
        "error_storage": "无法保存，因此未计入；请稍后再试。",
        "error_no_battle": "还没有对战，请先输入问题。",
        "error_lost": "页面丢失了您的对战，现已重新显示。",
        "notice_quota": "您今天的免费 GPU 时间已用完；登录 Hugging Face 可获得更多，或请明天再来。",
        "notice_no_gpu": "目前没有空闲的 GPU，请一分钟后再试。",
        "refused_not_yours": "这不是您的对战。",
        "refused_unfinished": "请等待两个回答都完成。",
        "refused_stopped": "回答已停止，无法投票。",
        "refused_failed": "本次对战失败，无法投票；请开始新对战。",
        "refused_already_voted": "本次对战已投票，以第一次为准。",
        "refused_expired": "本次对战已过期，无法投票；请开始新对战。",
        "refused_too_many_attempts": "无法再次重新生成。",
        "refused_too_many_turns": "对话轮数已达上限，请投票。",
        "paced": "两个回答以同样的速度显示，因此速度不会泄露身份。",
        "unpaced": "回答生成后立即显示。",
        "keeping_nowhere": "⚠️ **这里的投票不会保留**。此 Space 没有可用的存储，下次重启时将全部丢失。"
        "所有者设置 ARENA_DATASET 即可解决。",
        "keeping_late": "⚠️ **最新的投票尚未安全保存**。已有 {minutes} 分钟无法存到此服务器之外；"
        "如果现在磁盘数据丢失，这些投票会丢失。",
        "sign_in": "使用 Hugging Face 登录",
        "sign_out": "退出登录（{name}）",
        "sign_in_invite": "无需登录即可投票。注册满 {days} 天的 Hugging Face 账号登录后，投票计为已验证。",
        "signed_in": "已登录为 {name}；您的投票会计入，但不算已验证。",
        "signed_in_verified": "已登录为 {name}；您的投票计为已验证。",
        **CHINESE,
        **ADMIN_CHINESE,
        **INTEGRITY_CHINESE,
        **EVALUATION_CHINESE,
    },
}

ABOUT: dict[Language, str] = {
    "en": """## How a battle works

1. You type a prompt. Two of the contestants are drawn, and a fair coin decides which is **A** and which is **B**.
2. {pace} You may ask on.
3. You vote: **A is better**, **B is better**, **tie**, or **both are bad**. One vote a battle, within {hours:g} hours.
4. {undo} Only then are the names revealed, and the vote moves the leaderboard.

*Stop* ends both answers; regenerate them to vote. *Regenerate* replaces both, at most {regenerations} times a turn.
If one answer fails, the battle does not count.

*Show me a question*, where it is offered, brings a question of a test set with two answers that were given before:
drawn, shown and voted on like all others. What a judge said of these answers, authors and all, is on *Evaluation*, but
not for you before your vote. Whoever looks it up there first, or in another browser, votes knowing the names; please
don't. Such battles are marked as votes on stored answers, so that they can be told from the others.

## How the rating works

Ratings are **Bradley–Terry** strengths on the scale of Elo (1000 in the middle, 400 points are odds of ten to one),
fitted to all votes, each pair helped by a fifth of a draw so that nobody is rated beyond all measure. Ties and both-bad
count as half a win each, which draws ratings together; the Leaderboard can leave them out.

The 95 % intervals know that votes of one person are alike: many votes of few people make them wide, and below 30 people
they speak for these people only. *Possible ranks* are wider still, for they hold for the whole table at once. Who was
never compared with the others, not even through third ones, is not ranked against them. Fewer than {provisional} votes
or a wide interval make a rating *provisional*. Online **Elo** (K = 4) stands beside it and is not the ranking: the same
votes in another order give another Elo.
""",
    "zh": """## 对战规则

1. 输入问题后，系统抽取两位参赛者，由公平的硬币决定谁是 **A**、谁是 **B**。
2. {pace}您可以继续追问。
3. 请投票：**A 更好**、**B 更好**、**平局** 或 **都不好**。每场对战一票，须在 {hours:g} 小时内。
4. {undo}投票之后才揭晓名字，并计入排行榜。

“停止”会结束两个回答，重新生成后才能投票；每轮最多重新生成 {regenerations} 次。若一个回答失败，对战不计入。

若有“给我出一道题”，它会显示测试集中的一道题和两个早先给出的回答；抽取、显示和投票的规则与其他对战相同。
评委对这些回答的判断（连同作者）列在“评测”页，但在您投票之前不向您显示。事先在那里查看，或用另一个浏览器查看的人，
投票时已知道名字；请勿如此。这类对战标记为对已存回答的投票，可与其他对战区分。

## 评分方法

评分是 **Bradley–Terry** 强度，采用 Elo 标度（中间值 1000，400 分对应十比一的胜率），由全部投票拟合；
每对参赛者另加五分之一场平局，使评分不致无限。平局和“都不好”各计半胜，这会使评分彼此靠近；排行榜上可以选择不计。

95 % 区间考虑到同一人的投票彼此相似：少数人投出的大量票会使区间变宽；不足 30 人时评分仅代表这些人。
“可能名次”对整张表同时成立，因此更宽。
从未与其他参赛者（直接或间接）比较过的，不与之排名。少于 {provisional} 票或区间过宽的标为“暂定”。
旁边的在线 **Elo**(K = 4) 并非排名依据：同一批投票换个顺序，Elo 就不同。
""",
}


def language_of(accept_language: str) -> Language:
    """The visitor's language by the first entry of an Accept-Language header, as the browser's own part chooses."""
    first = accept_language.strip().lower()
    return next((language for language in TEXTS if first.startswith(language)), "en")


def say(language: Language, key: str, **values: object) -> str:
    return TEXTS[language][key].format(**values)


def examples() -> list[str]:
    """The prompts that the page proposes, in all languages."""
    return [texts[f"example_{number}"] for texts in TEXTS.values() for number in range(1, 5)]
