package org.fieldscore.sample

import android.app.Activity
import android.content.ActivityNotFoundException
import android.content.Intent
import android.os.Bundle
import android.view.View
import android.widget.Button
import android.widget.LinearLayout
import android.widget.ScrollView
import android.widget.TextView
import java.io.IOException
import java.security.GeneralSecurityException
import org.fieldscore.FieldScorer
import org.fieldscore.FieldscoreException

/** The bundle in use, a new application, and the saved ones. */
class MainActivity : Activity() {
    private lateinit var bundle: TextView
    private lateinit var start: Button
    private lateinit var saved: LinearLayout

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        bundle = TextView(this).apply { accessibilityLiveRegion = View.ACCESSIBILITY_LIVE_REGION_POLITE }
        start = Button(this).apply {
            setText(R.string.start)
            isEnabled = false
            setOnClickListener { startActivity(Intent(this@MainActivity, FormActivity::class.java)) }
        }
        val pick = Button(this).apply {
            setText(R.string.pick)
            setOnClickListener { pick() }
        }
        saved = column()
        val page = column(bundle, start, pick, heading(getString(R.string.saved)), saved)
        setContentView(scrolling(page))
    }

    override fun onResume() {
        super.onResume()
        inBackground({ Bundles.current(this) }, ::show)
        inBackground({ applications(this).list() }) { names ->
            saved.removeAllViews()
            if (names.isEmpty()) saved.addView(TextView(this).apply { setText(R.string.none_saved) })
            names.forEach { saved.addView(entry(it)) }
        }
    }

    private fun entry(name: String) =
        Button(this).apply {
            text = name
            contentDescription = getString(R.string.open_saved, name)
            setOnClickListener {
                startActivity(Intent(this@MainActivity, FormActivity::class.java).putExtra(FormActivity.SAVED, name))
            }
        }

    private fun pick() {
        // Bundles have no type of their own: any file may be picked, and what is none is refused.
        val intent = Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType("*/*")
        try {
            startActivityForResult(intent, PICKED)
        } catch (_: ActivityNotFoundException) {
            bundle.setText(R.string.no_picker)
        }
    }

    override fun onActivityResult(requestCode: Int, resultCode: Int, data: Intent?) {
        super.onActivityResult(requestCode, resultCode, data)
        val document = data?.data
        if (requestCode != PICKED || resultCode != RESULT_OK || document == null) return
        inBackground({ Bundles.install(this, document) }, ::show)
    }

    private fun show(scorer: FieldScorer) {
        val info = scorer.info
        val end = info.notAfter ?: getString(R.string.no_end)
        bundle.text = getString(R.string.bundle, info.product, info.sequence, end)
        start.isEnabled = true
    }

    private fun <T> inBackground(work: () -> T, then: (T) -> Unit) = inBackground(work, then) { bundle.text = it }

    private companion object {
        const val PICKED = 1
    }
}

/** Does what reads files off the main thread; what fails is told in words that hold no value. */
fun <T> Activity.inBackground(work: () -> T, then: (T) -> Unit, failed: (String) -> Unit) {
    Bundles.background.execute {
        val result = try {
            Result.success(work())
        } catch (error: FieldscoreException) {
            Result.failure(error)
        } catch (error: IOException) {
            Result.failure(error)
        } catch (error: GeneralSecurityException) {
            Result.failure(error)
        }
        runOnUiThread {
            if (!isDestroyed) result.fold(then) { failed(words(it)) }
        }
    }
}

private fun Activity.words(error: Throwable): String =
    when (error) {
        is FieldscoreException -> getString(R.string.refused, error.message)
        is GeneralSecurityException -> getString(R.string.key_fails)
        else -> getString(R.string.file_fails)
    }

/** A column of views. */
fun Activity.column(vararg views: View): LinearLayout {
    val column = LinearLayout(this)
    column.orientation = LinearLayout.VERTICAL
    val space = (resources.displayMetrics.density * 16).toInt()
    column.setPaddingRelative(space, space / 2, space, space / 2)
    views.forEach(column::addView)
    return column
}

/** A page that scrolls, clear of the system's bars, under which apps reach from Android 15 on. */
fun Activity.scrolling(page: View): ScrollView =
    ScrollView(this).apply {
        fitsSystemWindows = true
        addView(page)
    }

/** A heading, bold. */
fun Activity.heading(text: String): TextView =
    TextView(this).apply {
        this.text = text
        setTypeface(typeface, android.graphics.Typeface.BOLD)
    }
