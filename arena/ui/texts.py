"""Every sentence a visitor reads, in English and Chinese, and nothing else."""

from __future__ import annotations

from typing import Literal

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
        "hint_idle": "Type a prompt to begin.",
        "hint_waiting": "All places are taken; your place in line: {ahead}.",
        "hint_generating": "Both models are answering…",
        "hint_open": "Both answers are complete. Vote, or ask on.",
        "hint_stopped": "Stopped. Regenerate the answers to vote, or start a new battle.",
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
        "error_busy": "The arena is full at the moment; please try again in a minute.",
        "error_full": "This conversation is full; please vote, or start a new battle.",
        "error_cookie": "Your browser sent no valid cookie, so a vote could not be yours; allow cookies and reload.",
        "error_consent": "Please tick the box about storage first.",
        "error_storage": "This could not be stored, so nothing was counted; please try again later.",
        "error_no_battle": "There is no battle yet; type a prompt first.",
        "error_lost": "The page had lost your battle; here it is again.",
        "refused_not_yours": "This battle is not yours.",
        "refused_unfinished": "Wait until both answers are complete.",
        "refused_stopped": "Answers that were stopped can't be voted on.",
        "refused_failed": "This battle failed and can't be voted on; start a new one.",
        "refused_already_voted": "This battle has its vote; the first one counts.",
        "refused_expired": "This battle is too old to be voted on; start a new one.",
        "refused_too_many_attempts": "These answers can't be regenerated any more.",
        "refused_too_many_turns": "This battle has as many turns as are allowed; please vote.",
        "download": "Download:",
        "no_votes": "No votes yet: every contestant starts at 1000.",
        "votes_so_far": "Votes: {votes}. Voters: {voters}. The bars are 95 % intervals.",
        "few_voters": "Fewer than 30 voters: the ratings speak for these voters only.",
        "plot_title": "Bradley–Terry rating with 95 % interval",
        "rating": "Rating",
        "rated": "rated",
        "provisional": "provisional",
        "paced": "Both answers are shown at one common pace, so that speed does not give a model away.",
        "unpaced": "Both answers are shown as they come.",
        "columns": "Rank|Contestant|Rating|95 % interval|Votes|Win rate|Elo|Quantization|License",
        "speed": "## Speed\n\nWhat the answers took, in battles that have their vote. Tokens/s counts from the first "
        "token on; energy is the GPU's, idle draw included, shared among the answers that ran at the same time.",
        "speed_columns": "Contestant|Engine|Quantization|Answers|Prompt tokens|Output tokens|First token, s|"
        "95 % within, s|Tokens/s|J per 1,000 tokens",
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
        "hint_idle": "输入问题即可开始。",
        "hint_waiting": "名额已满，您排在第 {ahead} 位。",
        "hint_generating": "两个模型正在回答……",
        "hint_open": "两个回答都已完成。请投票，或继续提问。",
        "hint_stopped": "已停止。重新生成后才能投票，或开始新对战。",
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
        "error_busy": "竞技场目前已满，请稍后再试。",
        "error_full": "本次对话已满，请投票或开始新对战。",
        "error_cookie": "浏览器没有发送有效的 Cookie，无法确认投票归属；请允许 Cookie 并刷新页面。",
        "error_consent": "请先勾选关于保存数据的选项。",
        "error_storage": "无法保存，因此未计入；请稍后再试。",
        "error_no_battle": "还没有对战，请先输入问题。",
        "error_lost": "页面丢失了您的对战，现已重新显示。",
        "refused_not_yours": "这不是您的对战。",
        "refused_unfinished": "请等待两个回答都完成。",
        "refused_stopped": "回答已停止，无法投票。",
        "refused_failed": "本次对战失败，无法投票；请开始新对战。",
        "refused_already_voted": "本次对战已投票，以第一次为准。",
        "refused_expired": "本次对战已过期，无法投票；请开始新对战。",
        "refused_too_many_attempts": "无法再次重新生成。",
        "refused_too_many_turns": "对话轮数已达上限，请投票。",
        "download": "下载：",
        "no_votes": "尚无投票：每位参赛者从 1000 分开始。",
        "votes_so_far": "{voters} 位投票者共 {votes} 票。误差线为 95 % 区间。",
        "few_voters": "投票者少于 30 位：评分仅代表这些投票者。",
        "plot_title": "Bradley–Terry 评分及 95 % 区间",
        "rating": "评分",
        "rated": "已评级",
        "provisional": "暂定",
        "paced": "两个回答以同样的速度显示，因此速度不会泄露身份。",
        "unpaced": "回答生成后立即显示。",
        "columns": "名次|参赛者|评分|95 % 区间|票数|胜率|Elo|量化|许可证",
        "speed": "## 速度\n\n已投票对战中各回答的用量。每秒词元数从首个词元起算；能耗为 GPU 读数，含空闲功耗，"
        "由同时生成的回答均摊。",
        "speed_columns": "参赛者|引擎|量化|回答数|提示词元|输出词元|首个词元（秒）|"
        "95 % 不超过（秒）|每秒词元|每千词元焦耳",
    },
}

ABOUT: dict[Language, str] = {
    "en": """## How a battle works

1. You type a prompt. Two of the contestants are drawn, and a fair coin decides which is **A** and which is **B**.
2. {pace} You may ask on.
3. You vote: **A is better**, **B is better**, **tie**, or **both are bad**. One vote a battle, within {hours:g} hours.
4. Only then are the names revealed, and the vote moves the leaderboard.

*Stop* ends both answers; regenerate them to vote. *Regenerate* replaces both, at most {regenerations} times a turn.
If one answer fails, the battle does not count.

## How the rating works

Ratings are **Bradley–Terry** strengths on the scale of Elo (1000 in the middle, 400 points are odds of ten to one),
fitted to all votes, with 95 % intervals. Ties and both-bad count as half a win each, which draws ratings together.
Online **Elo** (K = 4) stands beside them; it depends on the order of the votes. A contestant with fewer than
{provisional} votes is *provisional*.

## What is stored

Your prompts, both answers, your votes and their times, and a random number in a cookie that lets us count one vote a
battle. No name, no account, no IP address. Prompts and votes may be published; voters then appear as pseudonyms.
Please enter nothing personal. Models make mistakes and may say harmful things; their answers are nobody's advice.
""",
    "zh": """## 对战规则

1. 输入问题后，系统抽取两位参赛者，由公平的硬币决定谁是 **A**、谁是 **B**。
2. {pace}您可以继续追问。
3. 请投票：**A 更好**、**B 更好**、**平局** 或 **都不好**。每场对战一票，须在 {hours:g} 小时内。
4. 投票之后才揭晓名字，并计入排行榜。

“停止”会结束两个回答，重新生成后才能投票；每轮最多重新生成 {regenerations} 次。若一个回答失败，对战不计入。

## 评分方法

评分是 **Bradley–Terry** 强度，采用 Elo 标度（中间值 1000，400 分对应十比一的胜率），由全部投票拟合，并给出 95 % 区间。
平局和“都不好”各计半胜，这会使评分彼此靠近。旁边列出在线 **Elo**(K = 4)，它取决于投票顺序。
少于 {provisional} 票的参赛者标为“暂定”。

## 保存的内容

您的提问、两个回答、投票及其时间，以及 Cookie 中的一个随机数，用于保证每场对战一票。不保存姓名、账号或 IP 地址。
提问和投票可能会公开，投票者以化名出现。请勿输入个人信息。模型会犯错，也可能说出有害的话，其回答不构成任何建议。
""",
}


def language_of(accept_language: str) -> Language:
    """The visitor's language by the first entry of an Accept-Language header, as the browser's own part chooses."""
    first = accept_language.strip().lower()
    return next((language for language in TEXTS if first.startswith(language)), "en")


def say(language: Language, key: str, **values: object) -> str:
    return TEXTS[language][key].format(**values)
