import Fieldscore
import SwiftUI
import UIKit

/// The form that the bundle's schema describes, and the decision below it.
struct ApplicationView: View {
    @EnvironmentObject private var desk: Desk
    let info: BundleInfo

    var body: some View {
        Form {
            ForEach(info.fields) { field in
                FieldView(field: field, text: value(of: field.name))
            }
            Toggle("Consents to a decision without a person", isOn: $desk.draft.consents)
            Button("Decide", action: decide)
            if let explanation = desk.explanation {
                DecisionView(explanation: explanation)
            }
            Section("Bundle") {
                Text("\(info.product) \(String(info.sequence))")
                if let last = info.notAfter { Text("Valid until \(last)") }
            }
        }
        .environment(\.layoutDirection, desk.isFromRightToLeft ? .rightToLeft : .leftToRight)
        .onChange(of: desk.draft.values) { _ in desk.edited() }
        .onChange(of: desk.draft.consents) { _ in desk.edited() }
    }

    private func value(of name: String) -> Binding<String> {
        Binding(
            get: { desk.draft.values[name] ?? "" },
            set: { desk.draft.values[name] = $0 })
    }

    private func decide() {
        desk.decide()
        // It appears below: who does not see it is told.
        if let explanation = desk.explanation {
            UIAccessibility.post(
                notification: .announcement, argument: explanation.decision.outcome.words)
        }
    }
}

/// One field's question.
struct FieldView: View {
    @EnvironmentObject private var desk: Desk
    let field: Field
    @Binding var text: String

    var body: some View {
        Section {
            // What is shown above and below it belongs to no control: a screen reader needs a label.
            entry.accessibilityLabel(label)
        } header: {
            Text(label)
        } footer: {
            Text(footer)
        }
    }

    @ViewBuilder private var entry: some View {
        switch field.type {
        case .category(let codes):
            choice(codes) { desk.text("field.\(field.name).category.\($0)", else: $0) }
        case .boolean:
            choice(["yes", "no"]) { $0 == "yes" ? "Yes" : "No" }
        case .integer, .decimal, .money:
            typed("").keyboardType(.numbersAndPunctuation)
        case .date:
            typed("YYYY-MM-DD").keyboardType(.numbersAndPunctuation)
        case .text, .words:
            typed("")
        case .table, .tensor:
            // Rows and bytes come from the app itself, not from a form.
            EmptyView()
        }
    }

    /// The keyboard neither changes what is typed nor learns from it.
    private func typed(_ prompt: String) -> some View {
        TextField(prompt, text: $text)
            .autocorrectionDisabled()
            .textInputAutocapitalization(.never)
    }

    private func choice(_ codes: [String], _ label: @escaping (String) -> String) -> some View {
        Picker("", selection: $text) {
            Text("–").tag("")
            ForEach(codes, id: \.self) { Text(label($0)).tag($0) }
        }
        .labelsHidden()
    }

    private var label: String {
        let label = desk.text("field.\(field.name).label", else: field.name)
        return field.missing == .refuse ? "\(label), required" : label
    }

    private var footer: String {
        var parts = [desk.text("field.\(field.name).help", else: "")]
        switch field.range {
        case .numbers(let range)?:
            parts.append("\(range.lowerBound) – \(range.upperBound) \(field.unit)")
        case .days(let range)?:
            parts.append("\(range.lowerBound) – \(range.upperBound)")
        case nil:
            parts.append(field.unit)
        }
        return parts.filter { !$0.isEmpty }.joined(separator: " · ")
    }
}

/// A decision with its reasons.
struct DecisionView: View {
    @EnvironmentObject private var desk: Desk
    let explanation: Explanation

    var body: some View {
        Section("Decision") {
            Text(explanation.decision.outcome.words).font(.title2)
            Text("\(explanation.decision.score) points")
            ForEach(explanation.reasons, id: \.self) { Text($0.text) }
            Button("Save and start the next one") { desk.save() }
        }
    }
}

/// What was decided on this device.
struct SavedView: View {
    @EnvironmentObject private var desk: Desk

    var body: some View {
        List(desk.saved) { application in
            let replays = desk.replays(application)
            HStack {
                Text(application.id.prefix(8))
                Spacer()
                Text(application.outcome)
                Image(systemName: replays ? "checkmark" : "questionmark")
                    .accessibilityLabel(replays ? "The same comes out again" : "Another bundle's")
            }
            .accessibilityElement(children: .combine)
        }
        .navigationTitle("Saved")
    }
}
