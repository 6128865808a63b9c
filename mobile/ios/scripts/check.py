"""Checks what a machine without Xcode can check: Swift sources parse, property lists and the module map are
well-formed, the facade names nothing that the generator did not make, and no name of its own that SwiftUI has.

    check.py GENERATED.swift MODULE.modulemap
"""

import pathlib
import plistlib
import re
import sys

import tree_sitter
import tree_sitter_swift

FOLDER = pathlib.Path(__file__).resolve().parent.parent


# What the library exports; every one of them throws.
EXPECTED = {"open", "openPath", "selfTest", "info", "text", "field", "score", "scoreMany", "explain", "alternatives", "replay",
            "init", "install", "setLog", "isRightToLeft", "line"}

# Of SwiftUI, Foundation and Swift: an app that imports both could write none of them alone.
TAKEN = {"Group", "Form", "List", "Section", "Text", "Label", "Link", "Menu", "Table", "View", "Scene", "App", "Button", "Picker",
         "Image", "Color", "Font", "Path", "Shape", "State", "Binding", "Namespace", "Bundle", "Data", "Date", "Decimal", "Unit",
         "Range", "Result", "Error", "Optional", "Set", "Task", "Logger", "Operation", "Process", "Scanner", "Locale", "Measurement"}


def faults(node):
    if node.type == "ERROR" or node.is_missing:
        yield node
    else:
        for child in node.children:
            yield from faults(child)


def main(generated, modulemap):
    wrong = []
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_swift.language()))
    sources = [path for path in sorted(FOLDER.rglob("*.swift")) if ".build" not in path.parts]
    # The generated source has attributes inside `#if`, which the grammar does not know.
    sources = [path for path in sources if path.name != generated.name]
    for path in sources:
        tree = parser.parse(path.read_bytes())
        wrong += [f"{path}:{node.start_point[0] + 1}: does not parse" for node in faults(tree.root_node)]

    lists = sorted(FOLDER.rglob("*.xcprivacy")) + sorted(FOLDER.rglob("*.plist"))
    for path in lists:
        try:
            content = plistlib.loads(path.read_bytes())
        except Exception as error:
            wrong.append(f"{path}: {error}")
            continue
        if path.suffix == ".xcprivacy":
            keys = {"NSPrivacyTracking", "NSPrivacyTrackingDomains", "NSPrivacyCollectedDataTypes",
                    "NSPrivacyAccessedAPITypes"}
            if set(content) != keys or content["NSPrivacyTracking"] or content["NSPrivacyCollectedDataTypes"]:
                wrong.append(f"{path}: expected the four keys, no tracking and nothing collected")

    made = generated.read_text()
    types = set(re.findall(r"^(?:public |open )*(?:enum|struct|class|protocol|func) (\w+)", made, re.M))
    for path in sorted((FOLDER / "Sources/Fieldscore").glob("*.swift")):
        for name in re.findall(r"\bFieldscoreGenerated\.(\w+)", path.read_text()):
            if name not in types:
                wrong.append(f"{path}: {name} is not generated")
        for name in re.findall(r"^public (?:final )?(?:struct|class|enum|protocol|actor) (\w+)", path.read_text(), re.M):
            if name in TAKEN:
                wrong.append(f"{path}: {name} is a name of the system's too")

    calls = re.findall(r"^(?:public |open )(?:static |convenience )?(?:func )?`?(\w+)`?\(([^)]*)\)\s*(\w*)", made, re.M)
    calls = [(name, effect) for name, arguments, effect in calls if name[0].islower() and "_" not in name
             and not name.startswith("uniffi") and not arguments.startswith("_ ")]
    wrong += [f"{generated}: {name} is not generated" for name in sorted(EXPECTED - {name for name, _ in calls})]
    wrong += [f"{generated}: {name} does not throw" for name, effect in calls if effect != "throws"]

    text = modulemap.read_text().strip()
    if not re.fullmatch(r'module FieldscoreFFI \{\s*header "FieldscoreFFI\.h"\s*export \*(\s*(use|link) "\w+")*\s*\}',
                        text):
        wrong.append(f"{modulemap}: expected one module of one header")

    for line in wrong:
        print(line, file=sys.stderr)
    if not wrong:
        print(f"{len(sources)} Swift files parse; {len(lists)} property list and the module map are well-formed",
              file=sys.stderr)
    return 1 if wrong else 0


sys.exit(main(*map(pathlib.Path, sys.argv[1:])))
