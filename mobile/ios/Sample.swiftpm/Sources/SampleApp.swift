import Fieldscore
import SwiftUI
import UniformTypeIdentifiers

@main
struct SampleApp: App {
    @StateObject private var desk = Desk()
    @Environment(\.scenePhase) private var phase

    var body: some Scene {
        WindowGroup {
            RootView()
                .environmentObject(desk)
                // What the system photographs for the list of apps shows no applicant.
                .overlay { if phase != .active { Color(.systemBackground).ignoresSafeArea() } }
        }
        .onChange(of: phase) { phase in
            if phase == .active { desk.readKept() } else { desk.keepDraft() }
        }
    }
}

struct RootView: View {
    @EnvironmentObject private var desk: Desk
    @State private var picking = false

    var body: some View {
        NavigationStack {
            Group {
                if let scorer = desk.scorer {
                    ApplicationView(info: scorer.info)
                } else {
                    VStack(spacing: 16) {
                        Text("No bundle yet").font(.headline)
                        Button("Choose a bundle") { picking = true }
                    }
                }
            }
            .navigationTitle(desk.scorer?.info.product ?? "Fieldscore")
            .toolbar {
                Button("Bundle") { picking = true }
                NavigationLink("Saved") { SavedView() }
            }
        }
        .fileImporter(isPresented: $picking, allowedContentTypes: [.data]) { result in
            desk.install(result)
        }
        .alert("That did not work", isPresented: $desk.failed) {
            Button("OK") {}
        } message: {
            Text(desk.fault)
        }
    }
}
