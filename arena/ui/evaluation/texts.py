"""Every sentence of the Evaluation page, in English and Chinese, and nothing else."""

from __future__ import annotations

EVALUATION_ENGLISH = {
    "evaluation": "Evaluation",
    "eval_nothing": """### No judge has said anything yet

A model can compare others long before enough people have voted: it reads two answers to each of a set of questions,
in both orders, and says which is better. Run this beside the arena, with models of the catalogue:

```sh
python -m arena judge answer MODEL MODEL
python -m arena judge run --judge JUDGE --pairs MODEL:MODEL
```

`python -m arena judge import-reviews FOLDER` reads published reviews, and `python -m arena judge demo` shows the
whole of it with the default models, in a database of its own. `docs/judge.md` says what the figures mean, and how far
a judge can be trusted.""",
    # what is chosen
    "eval_judge": "Judge",
    "eval_form": "Form",
    "eval_set": "Questions",
    "eval_baseline": "Baseline",
    "eval_pair": "Look closer at",
    "eval_any_baseline": "each pair's own",
    "eval_versus": "{model} against {baseline}",
    "form_score": "two scores",
    "form_pairwise": "A, B or tie",
    "form_single": "one score",
    "set_battles": "people's battles",
    # who reaches how much
    "eval_reaches": "**{model} reaches {ratio} of {baseline}**, as {judge} scores their answers.",
    "eval_wins_share": "**{model} takes {share} of the points against {baseline}**, as {judge} compares their answers.",
    "eval_leads": "**{model} leads with {mean} of 10**, as {judge} grades the answers.",
    "eval_means_nothing": "**{judge} is no judge:** what it says of these answers means nothing.",
    "eval_unheard": "**No judgment could be asked of {judge}: no reply came.** `python -m arena judge failures` "
    "says why.",
    "eval_nothing_judged": "**Nothing of {model} against {baseline} could be judged.**",
    "eval_nothing_graded": "**No answer could be graded.**",
    "eval_between": "95 % interval, by drawing the questions again: {low} to {high}.",
    "eval_of_questions": "Questions: {judged}. {model} wins {model_wins}, {baseline} wins {baseline_wins}, ties "
    "{ties}.",
    "eval_of_answers": "Answers graded: {judged}.",
    "eval_some_failed": "Failed, and counted nowhere else: {failed}.",
    # how far to trust it
    "eval_trust": "## How far to trust this judge",
    "eval_trust_columns": "Figure|Value|95 %|What it says",
    "eval_consistency": "Consistency",
    "eval_consistency_means": "the same verdict in both orders; who never looks reaches {chance}",
    "eval_follows": "Follows the place",
    "eval_follows_means": "the verdict goes with the order: to the first {to_first} times, to the second {to_second}",
    "eval_first_place": "Prefers the first place",
    "eval_first_place_means": "of verdicts that are no tie, those for the answer shown first; 50 % is fair",
    "eval_longer": "Prefers the longer answer",
    "eval_longer_means": "the longer answer's share of the points; good answers may well be longer",
    "eval_slope": "Pull of length",
    "eval_slope_means": "added to the log odds by twice the length, strength held equal; 0 is none",
    "eval_longer_by": "{low} to {high} times as long",
    "eval_longer_more": "more than {low} times as long",
    "eval_took": "Judgments: {done}; failed: {failed}.",
    "eval_took_tokens": "Tokens: {tokens}.",
    "eval_took_dollars": "Cost: {dollars} dollars.",
    "eval_took_outdated": "Of questions whose text has changed since, and in no other figure: {outdated}.",
    "flag_always_first_useless": "All {count} verdicts go to the answer that it was shown first.",
    "flag_always_second_useless": "All {count} verdicts go to the answer that it was shown second.",
    "flag_always_first": "All {count} verdicts go to the answer shown first, which was always the same one's.",
    "flag_always_second": "All {count} verdicts go to the answer shown second, which was always the same one's.",
    "flag_always_tie": "It calls everything a tie.",
    "flag_same_score": "It gives every answer the same score.",
    "flag_chance": "Its two orders agree about as often as those of a judge who does not look.",
    "flag_unsure": "So far its two orders can't be told from those of a judge who does not look; more questions would.",
    "flag_one_order": "Asked in one order only: what the place of an answer does to its verdicts was not measured.",
    "flag_unfinished": "{count} questions were judged in one order only, others of the same pair in both: run again.",
    "flag_first_place": "It leans to one place: of its verdicts {share} are for the answer shown first.",
    "flag_longer_wins": "Longer answers win with it, beyond what their makers' strength explains.",
    "flag_failed_useless": "No reply came from it, or none that could be read.",
    "flag_failed": "{share} of its replies did not come or could not be read.",
    "flag_self_judged": "It judged answers of its own.",
    "flag_few": "Only {count} questions: the intervals are wide.",
    "eval_no_flags": "Nothing speaks against it: it was asked in both orders and follows neither place nor length "
    "beyond chance.",
    "eval_contradictions": "Stored scores that their own text contradicts, {baseline} : {model} each: {listed}.",
    "eval_contradiction": "question {number}, stored {stored}, text {text}",
    # tables
    "eval_pairs_columns": "Model|Baseline|Ratio|95 %|Total|Total of baseline|Wins|Losses|Ties|Judged|Failed",
    "eval_wins_columns": "Model|Baseline|Points|95 %|Wins|Losses|Ties|Judged|Failed",
    "eval_singles_columns": "Model|Mean score|95 %|Judged|Failed",
    "eval_category_columns": "Category|{model}|{baseline}|Ratio|Wins|Losses|Ties|Failed",
    "eval_category_wins": "Category|Points|Wins|Losses|Ties|Failed",
    "eval_category_singles": "Category|Mean score",
    "eval_joined": "Two orders that agree give the verdict, two that disagree a tie; scores are averaged over both. "
    "A question of which an order failed is *failed* and counted nowhere else.",
    "eval_chained": "Of {reference}, by way of common opponents: {listed}.",
    "eval_chain_one": "{name} {ratio} ({low} to {high})",
    # figures
    "eval_by_category": "## By category",
    "radar_scores": "Mean score by category",
    "radar_points": "Share of the points by category (a tie is half a point)",
    "radar_empty": "A radar needs three categories; the table has them all.",
    "radar_told": "judged: {judged}, wins {wins}, ties {ties}",
    # people
    "eval_people": "## The judge and people",
    "eval_agreement": "In {battles} battles that people voted on and {judge} judged, both say the same in **{raw}** "
    "({low} to {high}); Cohen's kappa is **{kappa}**, where 0 is chance and 1 is always.",
    "eval_no_agreement": "No battle has both a vote of people and a verdict of {judge}. `python -m arena judge battles "
    "--judge MODEL` lets a judge vote on stored battles.",
    "eval_agreement_columns": "Category|Battles|The same|95 %|Kappa|Without ties|The same|95 %|Kappa",
    "eval_ratings_columns": "Contestant|By the judge|95 %|Judged|By people|95 %|Votes",
    "eval_ratings_note": "Two scales, each with its own middle at 1000; neither is mixed into the other.",
    # reading
    "eval_read": "## Read the judgments",
    "eval_category": "Category",
    "eval_way": "Verdict",
    "eval_outcome_model": "{model} wins",
    "eval_outcome_baseline": "{baseline} wins",
    "eval_outcome_tie": "tie",
    "eval_outcome_disagree": "the orders disagree",
    "eval_outcome_failed": "failed",
    "eval_outcome_graded": "graded",
    "eval_previous": "◀ Previous",
    "eval_next": "Next ▶",
    "eval_place": "{place} of {count}",
    "eval_place_none": "Nothing matches these filters.",
    "eval_withheld": "You have a battle on this question that waits for your vote. Vote first: afterwards it says here "
    "who gave which answer.",
    "eval_question": "Question {number}",
    "eval_battle": "Battle {number}",
    "eval_shown_first": "{name} shown first",
    "eval_reference": "Reference answer",
    "eval_said_failed": "This reply could not be read: {failure}",
    "eval_said_nothing": "No reply came, or not the whole of one.",
    "eval_said_tie": "tie",
    "eval_said_better": "{name} is better",
    "eval_graded": "score {score}",
    "eval_together_model": "**{model}** is better",
    "eval_together_baseline": "**{baseline}** is better",
    "eval_together_tie": "**tie**",
    "eval_together_disagree": "**tie**, for the two orders disagree",
    "eval_together_failed": "**failed**, for an order of it failed",
    "eval_together_graded": "**{score}** of 10",
    # the leaderboard's own column
    "judged_rating": "Judge",
    "judged_column": "Show the rating by a judge beside people's",
    "judged_note": "*Judge*: the Bradley–Terry rating of {judge}'s verdicts alone, on a scale of its own; none of it "
    "is in people's rating. The page Evaluation says how far to trust it.",
    "judged_none": "No judge's verdicts mean anything so far: the page Evaluation says why.",
    **{
        f"question_{category}": name
        for category, name in (
            ("generic", "generic"), ("knowledge", "knowledge"), ("roleplay", "role play"),
            ("common-sense", "common sense"), ("fermi", "Fermi"), ("counterfactual", "counterfactual"),
            ("coding", "coding"), ("math", "mathematics"), ("writing", "writing"), ("reasoning", "reasoning"),
            ("extraction", "extraction"), ("stem", "science"), ("humanities", "humanities"),
        )
    },
}  # fmt: skip

EVALUATION_CHINESE = {
    "evaluation": "评测",
    "eval_nothing": """### 尚无评委给出判断

在有足够多的人投票之前，模型就可以比较其他模型：它阅读对一组问题的两份回答，正反两种顺序各一次，并说出哪份更好。
请在竞技场之外运行以下命令，模型取自目录：

```sh
python -m arena judge answer MODEL MODEL
python -m arena judge run --judge JUDGE --pairs MODEL:MODEL
```

`python -m arena judge import-reviews FOLDER` 读取已公开的评审；`python -m arena judge demo` 用默认模型演示整个过程，
并使用单独的数据库。`docs/judge.md` 说明各项数字的含义，以及评委可信到什么程度。""",
    "eval_judge": "评委",
    "eval_form": "形式",
    "eval_set": "题目",
    "eval_baseline": "基准",
    "eval_pair": "细看",
    "eval_any_baseline": "各对自己的基准",
    "eval_versus": "{model} 对 {baseline}",
    "form_score": "两个分数",
    "form_pairwise": "A、B 或平局",
    "form_single": "单个分数",
    "set_battles": "人们的对战",
    "eval_reaches": "按 {judge} 的打分，**{model} 达到 {baseline} 的 {ratio}**。",
    "eval_wins_share": "按 {judge} 的比较，**{model} 对 {baseline} 取得 {share} 的分数**。",
    "eval_leads": "按 {judge} 的评分，**{model} 以 {mean} 分（满分 10）领先**。",
    "eval_means_nothing": "**{judge} 不能当评委：**它对这些回答的判断毫无意义。",
    "eval_unheard": "**未能向 {judge} 征求任何判断：没有收到回复。**原因见 `python -m arena judge failures`。",
    "eval_nothing_judged": "**{model} 对 {baseline} 没有任何可用的判断。**",
    "eval_nothing_graded": "**没有任何回答得到评分。**",
    "eval_between": "95 % 区间（重新抽取题目）：{low} 至 {high}。",
    "eval_of_questions": "题目数：{judged}。{model} 胜 {model_wins}，{baseline} 胜 {baseline_wins}，平 {ties}。",
    "eval_of_answers": "已评分回答数：{judged}。",
    "eval_some_failed": "失败且不计入其他各项：{failed}。",
    "eval_trust": "## 这位评委可信到什么程度",
    "eval_trust_columns": "指标|数值|95 %|含义",
    "eval_consistency": "一致性",
    "eval_consistency_means": "两种顺序给出相同判断；完全不看回答者可达 {chance}",
    "eval_follows": "随位置而定",
    "eval_follows_means": "判断随顺序改变：{to_first} 次总选先出示的，{to_second} 次总选后出示的",
    "eval_first_place": "偏好首位",
    "eval_first_place_means": "非平局判断中选先出示者的比例；50 % 为公平",
    "eval_longer": "偏好较长的回答",
    "eval_longer_means": "较长回答所得的分数比例；好的回答也可能本来就较长",
    "eval_slope": "长度的影响",
    "eval_slope_means": "实力相同时，长度加倍使对数胜率增加多少；0 为无影响",
    "eval_longer_by": "长至 {low}–{high} 倍",
    "eval_longer_more": "长至 {low} 倍以上",
    "eval_took": "判断数：{done}；失败：{failed}。",
    "eval_took_tokens": "词元数：{tokens}。",
    "eval_took_dollars": "费用：{dollars} 美元。",
    "eval_took_outdated": "其中 {outdated} 个针对的题目文本后来已更改，不计入其他数字。",
    "flag_always_first_useless": "全部 {count} 个判断都给了先出示的回答。",
    "flag_always_second_useless": "全部 {count} 个判断都给了后出示的回答。",
    "flag_always_first": "全部 {count} 个判断都给了先出示的回答，而先出示的总是同一位参赛者。",
    "flag_always_second": "全部 {count} 个判断都给了后出示的回答，而后出示的总是同一位参赛者。",
    "flag_always_tie": "它把一切都判为平局。",
    "flag_same_score": "它给每个回答同样的分数。",
    "flag_chance": "它的两种顺序相互一致的程度与完全不看回答者差不多。",
    "flag_unsure": "目前它的两种顺序与完全不看回答者无法区分；更多题目才能说明。",
    "flag_one_order": "只按一种顺序询问：回答的位置对判断有何影响未被测量。",
    "flag_unfinished": "有 {count} 道题目只按一种顺序评判，而同一对的其他题目两种顺序都有：请再次运行。",
    "flag_first_place": "它偏向某一位置：其判断中 {share} 给了先出示的回答。",
    "flag_longer_wins": "在它那里较长的回答更常获胜，超出模型实力所能解释的程度。",
    "flag_failed_useless": "它没有任何可读取的回复。",
    "flag_failed": "它的回复中有 {share} 未收到或无法读取。",
    "flag_self_judged": "它评判了自己的回答。",
    "flag_few": "只有 {count} 道题目：区间很宽。",
    "eval_no_flags": "没有不利于它的发现：按两种顺序询问过，其判断对位置和长度的依赖均未超出碰巧的程度。",
    "eval_contradictions": "与自身文字相矛盾的存储分数（均为 {baseline} : {model}）：{listed}。",
    "eval_contradiction": "第 {number} 题，存储为 {stored}，文字为 {text}",
    "eval_pairs_columns": "模型|基准|达到|95 %|总分|基准总分|胜|负|平|已判|失败",
    "eval_wins_columns": "模型|基准|得分率|95 %|胜|负|平|已判|失败",
    "eval_singles_columns": "模型|平均分|95 %|已评|失败",
    "eval_category_columns": "类别|{model}|{baseline}|达到|胜|负|平|失败",
    "eval_category_wins": "类别|得分率|胜|负|平|失败",
    "eval_category_singles": "类别|平均分",
    "eval_joined": "两种顺序一致即为结论，不一致则为平局；分数取两者平均。"
    "若某题的一种顺序失败，则该题记为“失败”，不计入其他各项。",
    "eval_chained": "经由共同对手，相对于 {reference}：{listed}。",
    "eval_chain_one": "{name} 达到 {ratio}（{low} 至 {high}）",
    "eval_by_category": "## 按类别",
    "radar_scores": "各类别的平均分",
    "radar_points": "各类别的得分率（平局计半分）",
    "radar_empty": "雷达图至少需要三个类别；表格列出全部。",
    "radar_told": "已判 {judged}，胜 {wins}，平 {ties}",
    "eval_people": "## 评委与人",
    "eval_agreement": "在人们投过票且 {judge} 判断过的 {battles} 场对战中，双方结论相同的占 **{raw}**"
    "（{low} 至 {high}）；Cohen's kappa 为 **{kappa}**，0 表示碰巧，1 表示总是一致。",
    "eval_no_agreement": "没有任何对战同时具有人的投票和 {judge} 的判断。`python -m arena judge battles --judge MODEL` "
    "可让评委对已存储的对战作出判断。",
    "eval_agreement_columns": "类别|对战数|相同|95 %|Kappa 值|不含平局|相同|95 %|Kappa 值",
    "eval_ratings_columns": "参赛者|按评委|95 %|已判|按人|95 %|票数",
    "eval_ratings_note": "两套标度各以 1000 为中间值，互不混合。",
    "eval_read": "## 阅读判断",
    "eval_category": "类别",
    "eval_way": "结论",
    "eval_outcome_model": "{model} 胜",
    "eval_outcome_baseline": "{baseline} 胜",
    "eval_outcome_tie": "平局",
    "eval_outcome_disagree": "两种顺序不一致",
    "eval_outcome_failed": "失败",
    "eval_outcome_graded": "已评分",
    "eval_previous": "◀ 上一个",
    "eval_next": "下一个 ▶",
    "eval_place": "第 {place} / {count} 个",
    "eval_place_none": "没有符合筛选条件的判断。",
    "eval_withheld": "您有一场关于这道题的对战尚未投票。请先投票，之后这里才显示回答出自谁。",
    "eval_question": "第 {number} 题",
    "eval_battle": "对战 {number}",
    "eval_shown_first": "先出示 {name}",
    "eval_reference": "参考答案",
    "eval_said_failed": "此回复无法读取：{failure}",
    "eval_said_nothing": "没有收到回复，或回复不完整。",
    "eval_said_tie": "平局",
    "eval_said_better": "{name} 更好",
    "eval_graded": "{score} 分",
    "eval_together_model": "**{model}** 更好",
    "eval_together_baseline": "**{baseline}** 更好",
    "eval_together_tie": "**平局**",
    "eval_together_disagree": "**平局**，因为两种顺序不一致",
    "eval_together_failed": "**失败**，因为有一种顺序失败",
    "eval_together_graded": "**{score}** 分（满分 10）",
    "judged_rating": "评委",
    "judged_column": "在人的评分旁显示评委的评分",
    "judged_note": "“评委”：仅由 {judge} 的判断得出的 Bradley–Terry 评分，自成一套标度，丝毫不计入人的评分。"
    "它可信到什么程度，见“评测”页。",
    "judged_none": "目前没有任何评委的判断有意义：原因见“评测”页。",
    **{
        f"question_{category}": name
        for category, name in (
            ("generic", "通用"), ("knowledge", "知识"), ("roleplay", "角色扮演"), ("common-sense", "常识"),
            ("fermi", "费米估算"), ("counterfactual", "反事实"), ("coding", "编程"), ("math", "数学"),
            ("writing", "写作"), ("reasoning", "推理"), ("extraction", "信息提取"), ("stem", "理工"),
            ("humanities", "人文"),
        )
    },
}  # fmt: skip
