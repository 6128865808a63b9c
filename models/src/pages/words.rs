//! The words of cards, in English and Chinese.

/// The words of one language.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    chinese: bool,
}

impl Words {
    /// Chinese for a Chinese tag, else English.
    pub fn of(language: &str) -> Self {
        Self {
            chinese: language.starts_with("zh"),
        }
    }

    /// The BCP-47 tag of the words.
    pub fn language(self) -> &'static str {
        if self.chinese { "zh" } else { "en" }
    }

    /// An English word or sentence in the language; what has no translation stays English.
    pub fn say(self, english: &str) -> &str {
        let known = CHINESE.iter().find(|(own, _)| *own == english);
        known
            .filter(|_| self.chinese)
            .map_or(english, |(_, chinese)| chinese)
    }

    /// A key as a title: `bad_rate` is "Bad rate", `data_sha256` "Data SHA-256".
    pub fn title(self, key: &str) -> String {
        let parts = key.split(['_', ' ']).map(|part| match part {
            "auc" | "ks" | "ece" | "psi" | "iv" | "id" => part.to_uppercase(),
            "sha256" => "SHA-256".to_owned(),
            part => part.to_owned(),
        });
        let text = parts.collect::<Vec<_>>().join(" ");
        let mut letters = text.chars();
        let title = match letters.next() {
            Some(first) => first.to_uppercase().chain(letters).collect(),
            None => String::new(),
        };
        self.say(&title).to_owned()
    }
}

const CHINESE: &[(&str, &str)] = &[
    ("Model card", "模型卡"),
    ("Product", "产品"),
    ("Valid", "有效期"),
    ("any day", "不限"),
    ("Engine", "引擎"),
    ("Model", "模型"),
    ("Languages", "语言"),
    ("Bundle", "模型包"),
    (
        "Challenger, scored in shadow: no part of any decision",
        "挑战模型，仅在影子模式下评分，不影响任何决定",
    ),
    ("Signed by key", "签名密钥"),
    ("Signature", "签名"),
    ("The signature was verified", "签名已核验"),
    (
        "Of the development key, which anybody can use: it proves nothing",
        "由任何人都可使用的开发密钥签名，不能证明任何事情",
    ),
    (
        "NOT VERIFIED: nothing on this card is sure to be the signer's word",
        "未核验：本卡内容不能确定出自签名者",
    ),
    ("Purpose and use", "目的与用途"),
    (
        "The bundle has no section CARD: data, figures and groups are not known",
        "模型包没有 CARD 段：数据、指标和分组情况未知",
    ),
    ("Intended use", "预期用途"),
    ("Out of scope", "不适用范围"),
    ("Limits", "局限"),
    ("Contact", "联系方式"),
    ("Licence", "许可"),
    ("What the maker states", "制作者的说明"),
    ("What", "项目"),
    ("Value", "内容"),
    ("Statement", "说明"),
    ("not stated", "未说明"),
    ("Texts still to be written", "尚未撰写的文本"),
    ("Data", "数据"),
    ("Labelled rows, 95 % intervals", "带标签的数据行，95 % 区间"),
    ("Part", "部分"),
    ("Rows", "行数"),
    ("Bad", "不良"),
    ("Share of bad", "不良比例"),
    ("train", "训练"),
    ("validation", "验证"),
    ("test", "测试"),
    ("Where the rows come from", "数据来源"),
    ("File", "文件"),
    ("Label, and its bad value", "标签列及其不良值"),
    ("Dates", "日期"),
    (
        "Choices are made on the validation part; the test part is read once, at the end.",
        "所有选择均在验证部分上作出；测试部分只在最后读取一次。",
    ),
    ("Performance on the test part", "测试部分上的表现"),
    (
        "Discrimination and calibration, 95 % intervals",
        "区分度与校准，95 % 区间",
    ),
    ("Handed in", "原模型"),
    ("Pruned", "剪枝后"),
    ("Figure", "指标"),
    ("Brier score", "布里尔分数"),
    ("Log loss", "对数损失"),
    ("Calibration error (ECE)", "校准误差（ECE）"),
    (
        "ECE of a perfectly calibrated model",
        "完全校准的模型的 ECE",
    ),
    ("Compression", "压缩"),
    ("What the compiler was asked to do", "编译设置"),
    ("Precision", "精度"),
    ("Share of hidden units removed", "移除的隐藏单元比例"),
    ("Rows for ranges, at most", "用于确定数值范围的行数上限"),
    (
        "Nothing was compressed: the bundle is the model, bit by bit.",
        "未作压缩：模型包与原模型逐位相同。",
    ),
    (
        "What int8 costs in each layer alone, on the validation part",
        "各层单独采用 int8 的代价（验证部分）",
    ),
    ("Size", "大小"),
    (
        "Against the file that the model was converted from",
        "与转换前文件的比较",
    ),
    (
        "What compression cost, against the recipe's limits, on the test part",
        "压缩代价与配方限值的比较（测试部分）",
    ),
    ("Gate", "关卡"),
    ("Measured, 95 % interval", "实测，95 % 区间"),
    ("Limit", "限值"),
    ("Result", "结果"),
    ("Flips", "结果改变"),
    ("holds", "通过"),
    ("fails", "未通过"),
    ("Groups", "分组"),
    (
        "No groups were measured: the recipe names no columns for them.",
        "未测量分组：配方未指定分组列。",
    ),
    (
        "Outcomes by group on the test part, 95 % intervals",
        "测试部分各分组的结果，95 % 区间",
    ),
    ("Column", "列"),
    ("Group", "组"),
    ("Approved, handed in", "通过率（原模型）"),
    ("Approved, bundle", "通过率（模型包）"),
    (
        "Columns that the model does not read.",
        "模型不读取这些列。",
    ),
    ("Fairness", "公平性"),
    (
        "The share approved, divided by that of the group compared with, on the test part",
        "通过率与对照组通过率之比（测试部分）",
    ),
    ("Ratio, handed in", "比值（原模型）"),
    ("Ratio, bundle", "比值（模型包）"),
    ("Change", "变化"),
    ("below", "低于限值"),
    ("wholly below", "整个区间低于限值"),
    ("compared with", "对照组"),
    ("too few rows", "行数过少"),
    ("not compared", "未比较"),
    (
        "Approvals less those of the group compared with",
        "通过率与对照组之差",
    ),
    ("Of the good", "良好贷款"),
    ("Of the bad", "不良贷款"),
    (
        "Outcomes that compression changed, by score",
        "压缩所改变的结果（按评分）",
    ),
    ("Approvals gained", "新增通过"),
    ("Approvals lost", "不再通过"),
    ("Soundness", "稳健性"),
    (
        "Calibration against chance, on the test part",
        "校准误差与偶然误差的比较（测试部分）",
    ),
    (
        "What chance lets a perfectly calibrated model have",
        "完全校准的模型因偶然可有的误差",
    ),
    ("What int8 adds, and its limit", "int8 增加的误差及其限值"),
    (
        "Fields with which the score only rises, or only falls",
        "评分随之单调变化的字段",
    ),
    (
        "Lift by decile of the test part, the riskiest first",
        "测试部分按十分位的提升度，风险最高者在前",
    ),
    ("Bad rate", "不良率"),
    ("Lift", "提升度"),
    ("Captured", "累计不良占比"),
    ("Cumulative lift", "累计提升度"),
    ("Direction", "方向"),
    ("Verdict", "结论"),
    ("Protected", "受保护字段"),
    ("Score", "评分"),
    ("How log-odds become points", "对数几率到分数的换算"),
    ("Least score", "最低分"),
    ("Greatest score", "最高分"),
    ("Points that double the odds", "几率翻倍所需分数"),
    ("Score at even odds", "几率为 1 时的分数"),
    ("Knots of the calibration", "校准节点数"),
    ("Calibration", "校准方法"),
    ("Score of the reference applicant", "参考申请人的分数"),
    ("The reference applicant is", "参考申请人"),
    ("values that the recipe gives", "由配方给定"),
    (
        "the middle one of the good training loans; its values are not shown",
        "训练数据中良好贷款的中心样本；不显示其数值",
    ),
    ("Decisions", "决定"),
    ("Cut-offs", "分数线"),
    ("Approve from", "通过分数线"),
    ("Refer from", "转人工分数线"),
    ("Rules that hold whatever the score", "与分数无关的规则"),
    ("Code", "代码"),
    ("If", "条件"),
    ("Outcome", "结果"),
    ("What people are told", "告知内容"),
    ("and", "且"),
    ("is missing", "缺失"),
    ("approve", "通过"),
    ("refer", "转人工"),
    ("decline", "拒绝"),
    (
        "The outcome is the gravest of score band, rules and fields' own answers. A person \
         decides where the applicant refuses automation, or outside the bundle's dates.",
        "结果取分数段、规则和字段处理中最严的一个。申请人拒绝自动决定，或不在模型包有效期内时，由人工决定。",
    ),
    ("What an applicant is asked", "向申请人询问的内容"),
    ("Field", "字段"),
    ("Label", "标签"),
    ("Type", "类型"),
    ("Range", "范围"),
    ("Missing", "缺失时"),
    ("Sensitivity", "敏感度"),
    ("Changeable", "可改变"),
    ("Group of reasons", "理由组"),
    ("yes", "是"),
    ("no", "否"),
    ("Reasons that people are given", "告知的理由"),
    ("Reason", "理由"),
    ("Fields and reasons", "字段与理由"),
    ("Provenance", "来源"),
    ("What the bundle was made of", "模型包由何制成"),
    ("Sections of the file", "文件各段"),
    ("Section", "段"),
    ("Name", "名称"),
    ("Shape", "形状"),
    ("Parameters", "参数"),
    ("Multiply adds", "乘加次数"),
    ("Any cut off", "任一分数线"),
    ("Float", "原模型"),
    ("Tool", "工具"),
    ("Model SHA-256", "模型 SHA-256"),
    ("Data SHA-256", "数据 SHA-256"),
    ("Recipe SHA-256", "配方 SHA-256"),
    ("ID", "编号列"),
    ("Bytes", "字节"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_translated_once() {
        for (at, (english, chinese)) in CHINESE.iter().enumerate() {
            assert!(
                !CHINESE[..at].iter().any(|(own, _)| own == english),
                "{english}"
            );
            assert!(!chinese.is_empty());
        }
        assert_eq!(Words::of("zh-Hant").say("Score"), "评分");
        assert_eq!(Words::of("sw").say("Score"), "Score");
        assert_eq!(Words::of("en").title("bad_rate"), "Bad rate");
        assert_eq!(Words::of("en").title("data_sha256"), "Data SHA-256");
    }
}
