import Foundation
internal import FieldscoreGenerated

#if canImport(os)
import os
#endif

/// The runtime's log: what was opened, which kernels serve, what fell back. No line holds an
/// applicant's value.
public enum Log {
    /// How severe a line is, or from where on lines are sent.
    public enum Level: Sendable, Hashable, CaseIterable {
        case error
        case warn
        case info
        case debug
        case trace
    }

    /// Sends lines to `sink`, from `level` up; with `nil`, nowhere. The last call counts, for the whole
    /// process. The sink may be called on any thread.
    public static func send(
        from level: Level, to sink: (@Sendable (Level, String) -> Void)?
    ) throws {
        try FieldscoreError.of {
            try FieldscoreGenerated.setLog(level: level.generated, sink: sink.map { Sink($0) })
        }
    }

    #if canImport(os)
    /// Sends lines to the system's log, in the category `fieldscore` of `subsystem`.
    public static func sendToSystem(from level: Level, subsystem: String) throws {
        let logger = Logger(subsystem: subsystem, category: "fieldscore")
        try send(from: level) { level, text in
            switch level {
            case .error: logger.error("\(text, privacy: .public)")
            case .warn: logger.warning("\(text, privacy: .public)")
            case .info: logger.info("\(text, privacy: .public)")
            case .debug, .trace: logger.debug("\(text, privacy: .public)")
            }
        }
    }
    #endif
}

private final class Sink: FieldscoreGenerated.LogSink {
    private let take: @Sendable (Log.Level, String) -> Void

    init(_ take: @escaping @Sendable (Log.Level, String) -> Void) {
        self.take = take
    }

    func line(level: FieldscoreGenerated.LogLevel, text: String) throws {
        take(Log.Level(level), text)
    }
}

extension Log.Level {
    var generated: FieldscoreGenerated.LogLevel {
        switch self {
        case .error: return .error
        case .warn: return .warn
        case .info: return .info
        case .debug: return .debug
        case .trace: return .trace
        }
    }

    init(_ level: FieldscoreGenerated.LogLevel) {
        switch level {
        case .error: self = .error
        case .warn: self = .warn
        case .info: self = .info
        case .debug: self = .debug
        case .trace: self = .trace
        }
    }
}
