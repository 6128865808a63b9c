import Fieldscore
import SwiftUI

/// The form that the bundle's schema describes, and the decision below it.
struct ApplicationView: View {
    @EnvironmentObject private var desk: Desk
    let fields: [Field]

    var body: some View {
        Form {
            ForEach(fields) { field in
                FieldView(field: field, text: value(of: field.name))
            }
            Toggle("Consents to a decision without a person", isOn: $desk.draft.consents)
            Button("Decide") { desk.decide() }
            if let explanation = desk.explanation {
                DecisionView(explanation: explanation)
            }
        }
        .onChange(of: desk.draft.values) { _ in desk.edited() }
        .onChange(of: desk.draft.consents) { _ in desk.edited() }
    }

    private func value(of name: String) -> Binding<String> {
        Binding(
            get: { desk.draft.values[name] ?? "" },
            set: { desk.draft.values[name] = $0 })
    }
}

/// One field's question.
struct FieldView: View {
    @EnvironmentObject private var desk: Desk
    let field: Field
    @Binding var text: String

    var body: some View {
        Section {
            entry
        } header: {
            Text(desk.text("field.\(field.name).label", else: field.name))
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
            TextField("", text: $text).keyboardType(.numbersAndPunctuation)
        case .date:
            TextField("YYYY-MM-DD", text: $text).keyboardType(.numbersAndPunctuation)
        case .text:
            TextField("", text: $text)
        }
    }

    private func choice(_ codes: [String], _ label: @escaping (String) -> String) -> some View {
        Picker("", selection: $text) {
            Text("–").tag("")
            ForEach(codes, id: \.self) { Text(label($0)).tag($0) }
        }
        .labelsHidden()
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
            Text(explanation.decision.outcome.rawValue).font(.title2)
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
            HStack {
                Text(application.id.prefix(8))
                Spacer()
                Text(application.outcome)
                Image(systemName: desk.replays(application) ? "checkmark" : "questionmark")
            }
        }
        .navigationTitle("Saved")
    }
}
