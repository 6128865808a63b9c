package org.fieldscore.sample

import android.app.Activity
import android.graphics.Rect
import android.os.Bundle
import android.os.Handler
import android.os.Looper
import android.text.Editable
import android.text.InputType
import android.text.TextWatcher
import android.view.View
import android.view.ViewGroup
import android.view.WindowManager
import android.view.inputmethod.EditorInfo
import android.widget.AdapterView
import android.widget.ArrayAdapter
import android.widget.Button
import android.widget.EditText
import android.widget.Spinner
import android.widget.TextView
import java.text.DecimalFormatSymbols
import java.text.SimpleDateFormat
import java.util.Date
import java.util.Locale
import java.util.UUID
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit
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

    /** The name of the saved application that is on the screen as it was decided. */
    private var shown: String? = null
        set(name) {
            field = name
            // Nothing is decided twice.
            decide?.isEnabled = name == null
        }
    private var decide: Button? = null
    private var last = emptyMap<String, String>()
    private val clock = Handler(Looper.getMainLooper())
    private val keep = Runnable { keepDraft() }
    private var unkept = false

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        // An applicant's values belong neither into a screenshot nor into the list of recent apps.
        window.setFlags(WindowManager.LayoutParams.FLAG_SECURE, WindowManager.LayoutParams.FLAG_SECURE)
        result = TextView(this).apply { accessibilityLiveRegion = View.ACCESSIBILITY_LIVE_REGION_POLITE }
        setContentView(result)
        val name = savedInstanceState?.getString(SAVED) ?: intent.getStringExtra(SAVED)
        shown = name
        val load = {
            val saved = if (name == null) draft(this) else applications(this).read(name)?.let(Saved::of)
            Bundles.current(this) to saved
        }
        val then = { (scorer, saved): Pair<FieldScorer, Saved?> ->
            show(scorer, saved)
            if (name != null) showDecided(scorer, saved)
        }
        inBackground(load, then) { result.text = it }
    }

    private fun show(scorer: FieldScorer, saved: Saved?) {
        this.scorer = scorer
        // What was decided keeps its id: whatever is decided here next is another application.
        if (saved != null && saved.record == null) id = saved.id
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
            setText(R.string.decide)
            setOnClickListener { decide(scorer) }
            isEnabled = shown == null
        }
        this.decide = decide
        page.addView(decide)
        page.addView(result.apply { (parent as? ViewGroup)?.removeView(this) })
        setContentView(scrolling(page))
        last = texts()
    }

    /** The decision as it was shown, and whether it comes out again. */
    private fun showDecided(scorer: FieldScorer, saved: Saved?) {
        val record = saved?.record
        if (record == null) {
            result.setText(R.string.gone)
            shown = null
            return
        }
        val again = try {
            if (scorer.replay(record)) R.string.same_again else R.string.other_again
        } catch (_: FieldscoreException.WrongBundle) {
            R.string.earlier_bundle
        } catch (_: FieldscoreException) {
            R.string.other_again
        }
        result.text = listOfNotNull(saved.decision, getString(again)).joinToString("\n")
    }

    private fun title(scorer: FieldScorer, field: Field): String {
        val label = scorer.text("field.${field.name}.label", language) ?: field.name
        val title = if (field.unit.isEmpty()) label else getString(R.string.unit, label, field.unit)
        return if (field.required) getString(R.string.required, title) else title
    }

    /** A field's view, how its text is read, and how it is written. */
    private class Input(val view: View, val read: () -> String, val write: (String) -> Unit)

    private fun input(scorer: FieldScorer, field: Field): Input =
        when (val type = field.type) {
            is FieldType.Category -> choice(type.codes) { code ->
                scorer.text("field.${field.name}.category.$code", language) ?: code
            }
            is FieldType.Truth -> choice(listOf("yes", "no")) { getString(if (it == "yes") R.string.yes else R.string.no) }
            is FieldType.Integer -> typed(InputType.TYPE_CLASS_NUMBER or InputType.TYPE_NUMBER_FLAG_SIGNED)
            is FieldType.Numeric -> typed(
                InputType.TYPE_CLASS_NUMBER or InputType.TYPE_NUMBER_FLAG_SIGNED or InputType.TYPE_NUMBER_FLAG_DECIMAL,
            )
            is FieldType.Day -> typed(InputType.TYPE_CLASS_DATETIME or InputType.TYPE_DATETIME_VARIATION_DATE)
                .also { (it.view as EditText).setHint(R.string.date_hint) }
            is FieldType.Text, is FieldType.Words ->
                typed(InputType.TYPE_CLASS_TEXT or InputType.TYPE_TEXT_FLAG_NO_SUGGESTIONS)
            // Rows and bytes come from the app itself, not from a form.
            is FieldType.Table, is FieldType.Tensor -> Input(View(this), { "" }, {})
        }

    private fun typed(kind: Int): Input {
        val view = EditText(this)
        view.id = View.generateViewId()
        view.inputType = kind
        // What is typed is kept in the draft, encrypted; not in the state that the system keeps.
        view.isSaveEnabled = false
        view.imeOptions = EditorInfo.IME_FLAG_NO_EXTRACT_UI or IME_FLAG_NO_PERSONALIZED_LEARNING
        view.addTextChangedListener(
            object : TextWatcher {
                override fun beforeTextChanged(text: CharSequence?, start: Int, count: Int, after: Int) = Unit

                override fun onTextChanged(text: CharSequence?, start: Int, before: Int, count: Int) = Unit

                override fun afterTextChanged(text: Editable?) = changed()
            },
        )
        return Input(view, { view.text.toString() }, { view.setText(it) })
    }

    private fun choice(codes: List<String>, label: (String) -> String): Input {
        val view = Spinner(this)
        view.id = View.generateViewId()
        view.isSaveEnabled = false
        val labels = listOf(getString(R.string.not_stated)) + codes.map(label)
        view.adapter = ArrayAdapter(this, android.R.layout.simple_spinner_dropdown_item, labels)
        view.onItemSelectedListener = object : AdapterView.OnItemSelectedListener {
            override fun onItemSelected(parent: AdapterView<*>?, view: View?, position: Int, id: Long) = changed()

            override fun onNothingSelected(parent: AdapterView<*>?) = changed()
        }
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
        val decision = words(explanation)
        result.text = decision
        val name = id
        val saved = Saved(name, texts, decision, explanation.decision.record).toBytes()
        val save = {
            applications(this).write(name, saved)
            drafts(this).delete(DRAFT)
        }
        clock.removeCallbacks(keep)
        unkept = false
        last = texts
        shown = name
        // Whatever is changed and decided next is another application: no decision takes another's place.
        id = newId()
        inBackground(save, {}) {
            result.text = it
            shown = null
            unkept = true
        }
    }

    private fun application(scorer: FieldScorer, texts: Map<String, String>): Application {
        // The runtime has no clock; the phone's has the applicant's day.
        val today = SimpleDateFormat("yyyy-MM-dd", Locale.ROOT).format(Date())
        return scorer.application(id, today) {
            for (field in scorer.info.fields) {
                val text = texts.getValue(field.name)
                when (field.type) {
                    is FieldType.Numeric -> plain(text).let { setText(field.name, it, comma && ',' in it) }
                    is FieldType.Day -> setText(field.name, plain(text))
                    else -> setText(field.name, text)
                }
            }
        }
    }

    /** Whether this language writes a comma where others have a point; its keyboard does so from Android 8 on. */
    private val comma: Boolean
        get() = DecimalFormatSymbols.getInstance().decimalSeparator == ','

    /** A number or a day in ASCII: keyboards write the digits of their language, and Arabic's own decimal mark. */
    private fun plain(text: String) =
        text.map { mark ->
            val digit = Character.digit(mark, 10)
            if (digit >= 0) '0' + digit else if (mark == '\u066b') '.' else mark
        }.joinToString("")

    /** Shows what is wrong, and goes to the field. */
    private fun point(scorer: FieldScorer, error: FieldscoreException) {
        val field = error.field
        val label = field?.let { scorer.text("field.$it.label", language) } ?: error.place
        result.text = getString(R.string.wrong, label, error.expected)
        val view = inputs[field]?.view ?: return
        val words = if (view is Spinner) view.selectedView else view
        (words as? TextView)?.error = error.expected
        view.requestFocus()
        view.requestRectangleOnScreen(Rect(0, 0, view.width, view.height))
    }

    private fun words(explanation: Explanation): String {
        val decision = explanation.decision
        val outcome = when (decision.outcome) {
            Outcome.APPROVE -> R.string.approved
            Outcome.REFER -> R.string.referred
            Outcome.DECLINE -> R.string.declined
        }
        val first = getString(R.string.decision, getString(outcome), decision.score)
        return (listOf(first) + explanation.reasons.map { getString(R.string.reason, it.text) }).joinToString("\n")
    }

    /** What is typed is kept a second later: a battery may be pulled while somebody is at it. */
    private fun changed() {
        val texts = texts()
        if (scorer == null || texts == last) return
        last = texts
        shown = null
        unkept = true
        clock.removeCallbacks(keep)
        clock.postDelayed(keep, KEPT_AFTER)
    }

    /** Writes the draft. There is none of a saved application that was opened only to be looked at. */
    private fun keepDraft() {
        clock.removeCallbacks(keep)
        if (!unkept || intent.hasExtra(SAVED)) return
        unkept = false
        val bytes = Saved(id, texts()).toBytes()
        inBackground({ drafts(this).write(DRAFT, bytes) }, {}) {
            result.text = it
            unkept = true
        }
    }

    override fun onSaveInstanceState(outState: Bundle) {
        super.onSaveInstanceState(outState)
        // A name without meaning, and nothing of the applicant: the system keeps this where it likes.
        shown?.let { outState.putString(SAVED, it) }
    }

    override fun onPause() {
        super.onPause()
        keepDraft()
    }

    /** The process may end at any time after this: what [onPause] and what was decided is on the disk by then. */
    override fun onStop() {
        super.onStop()
        val written = CountDownLatch(1)
        Bundles.background.execute { written.countDown() }
        // Most often it is already. A Keystore that hangs must not hang the screen.
        written.await(WAIT, TimeUnit.SECONDS)
    }

    companion object {
        /** The saved application to show; without, it is the draft. */
        const val SAVED = "saved"

        private const val KEPT_AFTER = 1000L
        private const val WAIT = 2L

        /** `EditorInfo` has it from Android 8 on; what is older looks over it. */
        private const val IME_FLAG_NO_PERSONALIZED_LEARNING = 0x1000000

        private fun newId() = "A-" + UUID.randomUUID().toString().take(13)
    }
}
