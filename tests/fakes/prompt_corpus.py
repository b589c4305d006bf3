"""Prompts of many kinds in many scripts, as people write them; every one has `{{name}}` in it."""

from __future__ import annotations

import json

SCRIPTS = {
    "latin": "Crème brûlée, naïve façade",
    "greek": "Καλημέρα κόσμε",
    "cyrillic": "Привет, мир",
    "armenian": "Բարեւ աշխարհ",
    "georgian": "გამარჯობა მსოფლიო",
    "hebrew": "שלום עולם",
    "arabic": "مرحبا بالعالم",
    "devanagari": "नमस्ते दुनिया",
    "bengali": "ওহে বিশ্ব",
    "gurmukhi": "ਸਤ ਸ੍ਰੀ ਅਕਾਲ",
    "gujarati": "નમસ્તે દુનિયા",
    "tamil": "வணக்கம் உலகம்",
    "telugu": "హలో ప్రపంచం",
    "kannada": "ನಮಸ್ಕಾರ ಜಗತ್ತು",
    "malayalam": "നമസ്കാരം ലോകം",
    "sinhala": "ආයුබෝවන් ලෝකය",
    "thai": "สวัสดีชาวโลก",
    "lao": "ສະບາຍດີຊາວໂລກ",
    "khmer": "សួស្តី\u200bពិភពលោក",
    "myanmar": "မင်္ဂလာပါကမ္ဘာ",
    "tibetan": "བཀྲ་ཤིས་བདེ་ལེགས།",
    "ethiopic": "ሰላም ልዑል",
    "hangul": "안녕하세요 세계",
    "kana": "こんにちは セカイ",
    "han": "你好，世界 𠮷野家",
    "cherokee": "ᎣᏏᏲ ᎡᎶᎯ",
}

KINDS = {
    "plain": "<text> {{name}}",
    "front-matter": "---\ntitle: '<text>'\nmodel: {name: m}\n---\n\n# <text>\n\nDear {{name}},\n",
    "jinja": "{% for x in xs %}{{ x.name }} {# <text> #}{%- endfor -%} {{name}} {{ name|upper }}",
    "shell": "${HOME} $(id) `<text>` $name %NAME% {{name}} $$ ${x:-{{name}}}",
    "erb": "<% if <text> %><%= name %> {{name}} <%- end -%>",
    "mustache": "{{#items}}{{name}}{{/items}} {{^no}}<text>{{/no}} {{{name}}} {{&raw}} {{>part}} {{!x}}",
    "format": "{name} {0} {} {{}} {{{{name}}}} %s %(name)s <text> {name!r:>10}",
    "json": '{"text": "<text>", "nested": {"a": [1, null, "\\u00e9\\n"]}, "name": "{{name}}"}',
    "python": 'def f(x: dict[str, int]) -> str:\n\treturn f"{x!r} <text> {{name}}"  # \\d+\\1\n',
    "html": "<p class='x'>&amp;<text>&nbsp;<!-- {{name}} --><![CDATA[ ]]></p>",
    "crlf": "<text>\r\n{{name}}\r\n\r\n",
    "carriage-return": "<text>\r{{name}}\r",
    "byte-order-mark": "\ufeff<text> {{name}}\ufeff",
    "controls": "".join(map(chr, range(1, 32))) + "\x7f\x80\x85\x9f<text>{{name}}\u2028\u2029",
    "directions": "\u202b<text>\u202c \u2067{{name}}\u2069 \u200e\u200f\u061c",
    "emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇺🇳 <text> 1️⃣ {{name}} \U000e0067",
    "blanks": "  \t<text> \u00a0\u3000\u200b {{name}}  \n\n\n \t",
    "backslashes": "\\n \\\\ \\u0041 \\{{name}} <text> \\",
}


def corpus() -> dict[str, str]:
    """Return prompt contents by name."""
    return {
        f"{kind}-{script}": form.replace("<text>", text)
        for kind, form in KINDS.items()
        for script, text in SCRIPTS.items()
    }


def chat_corpus() -> dict[str, list[dict[str, object]]]:
    """Return chat prompts by name: all kinds in one script, as strings and as parts."""
    return {
        f"chat-{script}": [
            {"role": "system", "content": "\n".join(KINDS.values()).replace("<text>", text)},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": form.replace("<text>", text)} for form in KINDS.values()
                ],
            },
            {"role": "assistant", "content": None, "tool_calls": [{"id": text, "x": json.dumps(text)}]},
        ]
        for script, text in SCRIPTS.items()
    }
