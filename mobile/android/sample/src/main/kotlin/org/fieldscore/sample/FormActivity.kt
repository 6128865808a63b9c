package org.fieldscore.sample

import android.app.Activity
import android.os.Bundle
import android.text.InputType
import android.view.View
import android.view.WindowManager
import android.widget.ArrayAdapter
import android.widget.Button
import android.widget.EditText
import android.widget.ScrollView
import android.widget.Spinner
import android.widget.TextView
import java.text.SimpleDateFormat
import java.util.Date
import java.util.Locale
import java.util.UUID
import org.fieldscore.Application
import org.fieldscore.Explanation
import org.fieldscore.Field
import org.fieldscore.FieldScorer
import org.fieldscore.FieldType
import org.fieldscore.FieldscoreException
import org.fieldscore.Outcome

/** The form that the bundle's schema describes, and the decision with its reasons. */
class FormActivity : Activity() {
    private val language: String
        get() = Locale.getDefault().toLanguageTag()

    private val inputs = LinkedHashMap<String, Input>()
    private lateinit var result: TextView
    private var scorer: FieldScorer? = null
    private var id = newId()

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        // An applicant's values belong neither into a screenshot nor into the list of recent apps.
        window.setFlags(WindowManager.LayoutParams.FLAG_SECURE, WindowManager.LayoutParams.FLAG_SECURE)
        result = TextView(this).apply { accessibilityLiveRegion = View.ACCESSIBILITY_LIVE_REGION_POLITE }
        setContentView(result)
        val name = intent.getStringExtra(SAVED)
        val load = {
            val bytes = if (name == null) drafts(this).read(DRAFT) else applications(this).read(name)
            Bundles.current(this) to bytes?.let(Saved::of)
        }
        inBackground(load, { (scorer, saved) -> show(scorer, saved) }) { result.text = it }
    }

    private fun show(scorer: FieldScorer, saved: Saved?) {
        this.scorer = scorer
        saved?.let { id = it.id }
        val page = column()
        for (field in scorer.info.fields) {
            val input = input(scorer, field)
            inputs[field.name] = input
            saved?.texts?.get(field.name)?.let(input.write)
            val title = TextView(this).apply {
                text = title(scorer, field)
                labelFor = input.view.id
            }
            page.addView(title)
            page.addView(input.view)
            scorer.text("field.${field.name}.help", language)?.let { help ->
                page.addView(TextView(this).apply { text = help })
            }
        }
        val decide = Button(this).apply {
            text = "Decide and save"
            setOnClickListener { decide(scorer) }
        }
        page.addView(decide)
        page.addView(result.apply { (parent as? android.view.ViewGroup)?.removeView(this) })
        setContentView(ScrollView(this).apply { addView(page) })
    }

    private fun title(scorer: FieldScorer, field: Field): String {
        val label = scorer.text("field.${field.name}.label", language) ?: field.name
        val unit = if (field.unit.isEmpty()) "" else " (${field.unit})"
        return if (field.required) "$label$unit, required" else "$label$unit"
    }

    /** A field's view, how its text is read, and how it is written. */
    private class Input(val view: View, val read: () -> String, val write: (String) -> Unit)

    private fun input(scorer: FieldScorer, field: Field): Input =
        when (val type = field.type) {
            is FieldType.Category -> choice(type.codes) { code ->
                scorer.text("field.${field.name}.category.$code", language) ?: code
            }
            is FieldType.Truth -> choice(listOf("yes", "no")) { it }
            is FieldType.Integer -> typed(InputType.TYPE_CLASS_NUMBER or InputType.TYPE_NUMBER_FLAG_SIGNED)
            is FieldType.Numeric -> typed(
                InputType.TYPE_CLASS_NUMBER or InputType.TYPE_NUMBER_FLAG_SIGNED or InputType.TYPE_NUMBER_FLAG_DECIMAL,
            )
            is FieldType.Day -> typed(InputType.TYPE_CLASS_DATETIME or InputType.TYPE_DATETIME_VARIATION_DATE)
                .also { (it.view as EditText).hint = "YYYY-MM-DD" }
            is FieldType.Text -> typed(InputType.TYPE_CLASS_TEXT or InputType.TYPE_TEXT_FLAG_NO_SUGGESTIONS)
        }

    private fun typed(kind: Int): Input {
        val view = EditText(this)
        view.id = View.generateViewId()
        view.inputType = kind
        // What is typed is kept in the draft, encrypted; not in the state that the system keeps.
        view.isSaveEnabled = false
        view.imeOptions = android.view.inputmethod.EditorInfo.IME_FLAG_NO_EXTRACT_UI
        return Input(view, { view.text.toString() }, { view.setText(it) })
    }

    private fun choice(codes: List<String>, label: (String) -> String): Input {
        val view = Spinner(this)
        view.id = View.generateViewId()
        view.isSaveEnabled = false
        val shown = listOf("not stated") + codes.map(label)
        view.adapter = ArrayAdapter(this, android.R.layout.simple_spinner_dropdown_item, shown)
        return Input(
            view,
            { if (view.selectedItemPosition <= 0) "" else codes[view.selectedItemPosition - 1] },
            { view.setSelection(codes.indexOf(it) + 1) },
        )
    }

    private fun texts() = inputs.mapValues { (_, input) -> input.read() }

    private fun decide(scorer: FieldScorer) {
        val texts = texts()
        val explanation = try {
            // Microseconds: no need to leave the main thread.
            scorer.explain(application(scorer, texts), language)
        } catch (error: FieldscoreException) {
            point(scorer, error)
            return
        }
        result.text = words(explanation)
        val saved = Saved(id, texts, explanation.decision.record).toBytes()
        val save = {
            applications(this).write(id, saved)
            drafts(this).delete(DRAFT)
        }
        inBackground(save, { decided = true }) { result.text = it }
    }

    private var decided = false

    private fun application(scorer: FieldScorer, texts: Map<String, String>): Application {
        // The runtime has no clock; the phone's has the applicant's day.
        val today = SimpleDateFormat("yyyy-MM-dd", Locale.ROOT).format(Date())
        return scorer.application(id, today) {
            texts.forEach { (name, text) -> setText(name, text) }
        }
    }

    /** Shows what is wrong, and goes to the field. */
    private fun point(scorer: FieldScorer, error: FieldscoreException) {
        val field = error.field
        val label = field?.let { scorer.text("field.$it.label", language) } ?: error.place
        result.text = "$label: ${error.expected}"
        val view = inputs[field]?.view ?: return
        if (view is EditText) view.error = error.expected
        view.requestFocus()
    }

    private fun words(explanation: Explanation): String {
        val decision = explanation.decision
        val outcome = when (decision.outcome) {
            Outcome.APPROVE -> "Approved"
            Outcome.REFER -> "For a person to decide"
            Outcome.DECLINE -> "Declined"
        }
        val reasons = explanation.reasons.joinToString("") { "\n• ${it.text}" }
        return "$outcome, ${decision.score} points$reasons"
    }

    /** The process may end at any time after this: the draft is on the disk by then. */
    override fun onPause() {
        super.onPause()
        if (scorer == null || decided || intent.hasExtra(SAVED)) return
        val draft = Saved(id, texts(), null).toBytes()
        Bundles.background.submit { drafts(this).write(DRAFT, draft) }.get()
    }

    companion object {
        /** The saved application to show; without, it is the draft. */
        const val SAVED = "saved"

        private fun newId() = "A-" + UUID.randomUUID().toString().take(8)
    }
}
