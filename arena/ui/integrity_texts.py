"""Every sentence that guards the arena's integrity, in English and Chinese, and nothing else."""

from __future__ import annotations

INTEGRITY_ENGLISH = {
    "undo": "↩ Undo (U)",
    "chosen": "The names follow in a moment; until then you can take it back.",
    "undo_for": "For {seconds:g} seconds you may take your vote back.",
    "error_undo_late": "It is too late to take this back: the vote is stored.",
    "refused_too_many_votes": "You have voted very often in a short time, so this vote was not stored. "
    "Please wait a minute; if that does not help, come back tomorrow.",
    "refused_too_many_battles": "Many battles have begun from your network lately, so no new one can begin now. "
    "Please try again in ten minutes; if that does not help, come back tomorrow.",
    "error_moderated": "This arena does not take such a prompt; please ask something else.",
    "error_unchecked": "Prompts are checked here before models see them, and the check does not work at the moment; "
    "please try again later.",
    # why a vote does not count; numbers are those of `arena.integrity.rules`
    "reason_new": "The voter is new: the votes wait until {plausible} of them are plausible or {hours} hours are over.",
    "reason_too_fast": "The vote came sooner than anybody could have read the answers ({most_seconds:g} s at most).",
    "reason_prompt_repeated": "The voter has voted on this prompt before, or {prompts_a_day} votes on it count that "
    "day already.",
    "reason_pair_share": "{votes_on_a_pair} votes of this voter on these two contestants count already.",
    "reason_share": "Of one voter {least_share} votes count, or {percent:g} % of all where that is more.",
    "reason_biased": "The voter's votes, taken together, favour or disfavour a contestant beyond honest taste.",
    "reason_network_biased": "The votes from this network on that day, taken together, do so.",
    "reason_identity_asked": "The prompt asked who answers.",
    "reason_identity_told": "An answer said who gave it.",
    "reason_administrator": "An administrator took this vote out.",
    "reason_excluded": "An administrator excluded the voter, or an import said so; the reason is in their words.",
    "reason_held": "An import said so.",
    # what is stored, told on About
    "stored": "## What is stored\n\nYour prompts, both answers, your votes and their times, and a random number in a "
    "cookie that lets us count one vote a battle. No name and no IP address. Who signs in is kept as a number that "
    "tells nobody the account without this server's secret.",
    "stored_network": "Beside a battle stands a mark of the network it began from, made with a key of that day. The "
    "key is destroyed after two days; from then on no address can be found by it.",
    "stored_elsewhere": "Some of the models answer on other servers, which receive your prompts.",
    "stored_checked": "A program looks at each prompt before models see it, and may refuse it.",
    "stored_published": "Prompts, answers and votes may be published, judged by a model, and used to teach models; "
    "voters then appear as pseudonyms. What has the form of an e-mail address, a telephone, card or account number, a "
    "key or an IP address is masked first, unless the administrator decides otherwise. Names have no such form.",
    "stored_for": "Prompts and answers are deleted after {days} days; votes are kept.",
    "stored_for_good": "Prompts and answers are kept until somebody has them deleted.",
    "stored_code": "To have what you wrote deleted, send whoever runs this arena this code, which no other visitor "
    "is shown: `{code}`. Your votes stay, without prompts and answers; what was published before can't be called back.",
    "stored_advice": "Please enter nothing personal. Models make mistakes and may say harmful things; their answers "
    "are nobody's advice.",
    # the Leaderboard
    "uncounted": "{votes} votes are kept but not counted: [why](/about).",
    "uncounted_one": "1 vote is kept but not counted: [why](/about).",
    # About
    "about_counts": "## Whose votes count\n\nNo vote is ever deleted. One that does not count says why, in the files "
    "too; an administrator can decide otherwise. In every arena:",
    "about_counts_guarded": "And in this one, which strangers can reach:",
    "about_counts_unguarded": "This arena neither limits nor reviews voters beyond that.",
}

INTEGRITY_CHINESE = {
    "undo": "↩ 撤销 (U)",
    "chosen": "名字即将揭晓，在此之前可以撤销。",
    "undo_for": "投票后 {seconds:g} 秒内可以撤销。",
    "error_undo_late": "已来不及撤销：投票已保存。",
    "refused_too_many_votes": "您在短时间内投票很多，这一票没有保存。请稍等一分钟；若仍不行，请明天再来。",
    "refused_too_many_battles": "您所在的网络最近发起了很多对战，暂时不能开始新的对战。"
    "请十分钟后再试；若仍不行，请明天再来。",
    "error_moderated": "本竞技场不接受这样的提问，请换一个问题。",
    "error_unchecked": "这里的提问会先经过检查，目前检查无法进行，请稍后再试。",
    "reason_new": "投票者是新来的：其投票会等到其中 {plausible} 票看来可信，或满 {hours} 小时。",
    "reason_too_fast": "投票太快，任何人都来不及读完回答（最多要求 {most_seconds:g} 秒）。",
    "reason_prompt_repeated": "该投票者已就这一提问投过票，或当天这一提问已有 {prompts_a_day} 票计入。",
    "reason_pair_share": "该投票者对这两位参赛者已有 {votes_on_a_pair} 票计入。",
    "reason_share": "每位投票者最多计入 {least_share} 票，或全部投票的 {percent:g} %（取较大者）。",
    "reason_biased": "该投票者的全部投票合起来看，对某位参赛者的偏向超出了诚实的喜好。",
    "reason_network_biased": "当天来自这一网络的投票合起来看也是如此。",
    "reason_identity_asked": "提问询问了回答者是谁。",
    "reason_identity_told": "某个回答说出了自己是谁。",
    "reason_administrator": "管理员取消了这一票。",
    "reason_excluded": "管理员排除了该投票者，或导入的文件如此注明；原因为其原话。",
    "reason_held": "导入的文件如此注明。",
    "stored": "## 保存的内容\n\n您的提问、两个回答、投票及其时间，以及 Cookie 中的一个随机数，用于保证每场对战一票。"
    "不保存姓名或 IP 地址。登录者只记为一个编号，没有本服务器的密钥就无法由它得知账号。",
    "stored_network": "对战旁记有其来源网络的标记，由当天的密钥生成。密钥两天后销毁，此后无法由标记查出任何地址。",
    "stored_elsewhere": "部分模型在其他服务器上回答，这些服务器会收到您的提问。",
    "stored_checked": "提问在交给模型之前会经过程序检查，可能被拒绝。",
    "stored_published": "提问、回答和投票可能会公开、由模型评判，或用于训练模型，投票者以化名出现。"
    "公开前会遮盖形似电子邮件地址、电话、卡号、账号、"
    "密钥或 IP 地址的内容（管理员另有决定的除外）。姓名没有固定形式，无法识别。",
    "stored_for": "提问和回答在 {days} 天后删除，投票保留。",
    "stored_for_good": "提问和回答会一直保留，直到有人要求删除。",
    "stored_code": "如需删除您写的内容，请把这个不会显示给其他访客的代码发给本竞技场的运营者：`{code}`。"
    "您的投票会保留，但不再附有提问和回答；此前已公开的内容无法收回。",
    "stored_advice": "请勿输入个人信息。模型会犯错，也可能说出有害的话，其回答不构成任何建议。",
    "uncounted": "有 {votes} 票保留但不计入：[原因](/about)。",
    "uncounted_one": "有 1 票保留但不计入：[原因](/about)。",
    "about_counts": "## 哪些投票计入\n\n投票从不删除。不计入的投票会注明原因（投票文件中也有），管理员可以改判。"
    "任何竞技场都是如此：",
    "about_counts_guarded": "本竞技场对陌生人开放，因此还有：",
    "about_counts_unguarded": "除此之外，本竞技场对投票者不设限制，也不作审查。",
}
